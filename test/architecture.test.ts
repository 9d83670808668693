import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { describe, expect, it } from 'vitest'

const ROOT = join(import.meta.dirname, '..')
const RANKS: Readonly<Record<string, number>> = {
  lib: 0,
  model: 1,
  source: 2,
  store: 2,
  snapshot: 2,
  balancer: 2,
  affinity: 2,
  health: 2,
  observe: 2,
  vip: 2,
  listener: 3,
  runtime: 4,
  admin: 5,
  cli: 6,
  'library.ts': 6,
  'main.ts': 7,
}
/** Second-level folders are private to their parent, but for these files. */
const DOORS: Readonly<Record<string, readonly string[] | 'all'>> = {
  'lib/libc': 'all',
  'balancer/schedulers': ['registry.ts'],
  'source/cluster': ['cluster-source.ts'],
  'admin/kube': ['kube-routes.ts'],
  'admin/ui': ['ui-routes.ts'],
  'admin/front': ['front.ts', 'application.ts', 'registrar.ts', 'status.ts'],
  'health/checks': ['ask-endpoint.ts'],
  'listener/node': ['engine.ts'],
  'listener/native': ['engine.ts', 'loop.ts'],
  'listener/sctp': ['associations.ts', 'flow-columns.ts', 'flow-table.ts', 'refusal.ts', 'relay.ts'],
}
const LONGEST_LINES = 350
const FORBIDDEN_NAMES = /(^|\/)(utils?|helpers?|types|common|index)\.ts$/

interface SourceFile {
  /** From `src/`, with slashes. */
  readonly path: string
  readonly text: string
  /** The text with comments and the contents of strings taken out, line by line. */
  readonly code: string
  readonly imports: readonly string[]
}

/** `import … from`, `export … from`, `import(…)`, and the entries of workers. */
const IMPORT = /(?:\bfrom\s*|\bimport\s*\(?\s*|\bnew URL\([^'"]{0,80})(['"])(\.{1,2}\/[^'"]+)\1/g

function readSources(): SourceFile[] {
  const folder = join(ROOT, 'src')
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'))
  return names.map((name) => {
    const text = readFileSync(join(folder, name), 'utf8')
    const targets = [...text.matchAll(IMPORT)].map(([, , target]) =>
      relative(folder, join(folder, dirname(name), target as string)),
    )
    return { path: name, text, code: stripped(text), imports: targets.filter((target) => target.endsWith('.ts')) }
  })
}

function stripped(text: string): string {
  const tokens = /\/\*[\s\S]*?\*\/|\/\/[^\n]*|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"/g
  return text.replace(tokens, (token) => token.replace(/[^\n]/g, ' '))
}

const top = (path: string) => path.split('/')[0] as string
const rankOf = (path: string) => RANKS[top(path)] ?? Number.NaN
/** `listener/node` of `listener/node/tcp.ts`; undefined where there is no second level. */
const secondLevel = (path: string) => (path.split('/').length > 2 ? path.split('/').slice(0, 2).join('/') : undefined)

function wrongImport(from: string, to: string): string | undefined {
  const [fromRank, toRank] = [rankOf(from), rankOf(to)]
  const says = `src/${from} imports src/${to}:`
  if (!to.includes('/') && !(to in RANKS)) return `${says} no such rank`
  if (top(from) !== top(to)) {
    if (toRank > fromRank) return `${says} upward; move what both need down, or pass it in`
    if (toRank === fromRank) return `${says} siblings may not meet; pass it in from runtime`
  }
  const folder = secondLevel(to)
  if (folder === undefined || secondLevel(from) === folder) return undefined
  const doors = DOORS[folder] ?? []
  if (doors === 'all' || doors.some((door) => to === `${folder}/${door}`)) return undefined
  const isParent = top(from) === top(to) && secondLevel(from) === undefined
  return isParent
    ? undefined
    : `${says} ${folder}/ is private to ${top(to)}/${doors.length > 0 ? `; its door is ${doors.join(' or ')}` : ''}`
}

const sources = readSources()

/** Every file and line whose code matches, as `src/file.ts:12`. */
function places(pattern: RegExp, allowed: readonly string[] = []): string[] {
  return sources
    .filter((source) => !allowed.includes(source.path))
    .flatMap(({ path, code }) => code.split('\n').flatMap((line, n) => (pattern.test(line) ? [`src/${path}:${n + 1}`] : [])))
}

describe('architecture', () => {
  it('gives every file a rank', () => {
    expect(sources.length).toBeGreaterThan(30)
    expect(sources.filter(({ path }) => Number.isNaN(rankOf(path))).map(({ path }) => path)).toEqual([])
  })

  it('lets files import only their own folder and lower ranks, through doors', () => {
    const wrong = sources.flatMap(({ path, imports }) => imports.map((target) => wrongImport(path, target)))
    expect(wrong.filter((line) => line !== undefined)).toEqual([])
  })

  it('says what is wrong with an import', () => {
    expect(wrongImport('balancer/x.ts', 'health/y.ts')).toBe(
      'src/balancer/x.ts imports src/health/y.ts: siblings may not meet; pass it in from runtime',
    )
    expect(wrongImport('model/x.ts', 'source/y.ts')).toContain('upward')
    expect(wrongImport('library.ts', 'cli/run.ts')).toContain('siblings')
    expect(wrongImport('main.ts', 'cli/execute.ts')).toBeUndefined()
    expect(wrongImport('runtime/x.ts', 'listener/node/tcp.ts')).toContain('private to listener/; its door is engine.ts')
    expect(wrongImport('runtime/x.ts', 'listener/node/engine.ts')).toBeUndefined()
    expect(wrongImport('listener/native/x.ts', 'listener/node/tcp.ts')).toContain('private')
    expect(wrongImport('listener/pool.ts', 'listener/node/tcp.ts')).toBeUndefined()
    expect(wrongImport('balancer/x.ts', 'balancer/schedulers/registry.ts')).toBeUndefined()
    expect(wrongImport('listener/x.ts', 'balancer/schedulers/rr.ts')).toContain('its door is registry.ts')
  })

  it('has no circle of imports', () => {
    const graph = new Map(sources.map(({ path, imports }) => [path, imports]))
    const done = new Set<string>()
    const circles: string[] = []
    const visit = (path: string, trail: readonly string[]) => {
      if (trail.includes(path)) return void circles.push([...trail.slice(trail.indexOf(path)), path].join(' → '))
      if (done.has(path)) return
      for (const target of graph.get(path) ?? []) visit(target, [...trail, path])
      done.add(path)
    }
    for (const path of graph.keys()) visit(path, [])
    expect(circles).toEqual([])
  })

  it('imports only files that exist', () => {
    const paths = new Set(sources.map(({ path }) => path))
    const missing = sources.flatMap(({ path, imports }) =>
      imports.filter((target) => !paths.has(target)).map((target) => `src/${path} imports src/${target}`),
    )
    expect(missing).toEqual([])
  })

  it(`keeps files at ${LONGEST_LINES} lines or less`, () => {
    const long = sources.map(({ path, text }) => ({ path, lines: text.trimEnd().split('\n').length }))
    expect(long.filter(({ lines }) => lines > LONGEST_LINES)).toEqual([])
  })

  it('names files in kebab-case after what they hold, at most two folders deep', () => {
    const paths = sources.map(({ path }) => path)
    expect(paths.filter((path) => !/^(?:[a-z][a-z0-9]*\/){0,2}[a-z][a-z0-9]*(?:-[a-z0-9]+)*\.ts$/.test(path))).toEqual([])
    expect(paths.filter((path) => FORBIDDEN_NAMES.test(path))).toEqual([])
  })

  it('has no default exports', () => {
    expect(places(/^\s*export\s+default\b|\bas\s+default\b/)).toEqual([])
  })

  it('reads the time only in lib/clock.ts', () => {
    const time = /\bDate\.now\b|\bperformance\.now\b|(?<!\.)\b(?:setTimeout|setInterval)\s*\(/
    expect(places(time, ['lib/clock.ts'])).toEqual([])
    const timers = sources.filter(({ text }) => /['"]node:timers['"]/.test(text)).map(({ path }) => path)
    expect(timers).toEqual([])
  })

  it('rolls dice only in lib/random.ts', () => {
    expect(places(/\bMath\.random\b/, ['lib/random.ts'])).toEqual([])
  })

  it('writes to the console only through cli/output.ts', () => {
    expect(places(/\bconsole\.|\bprocess\.(?:stdout|stderr)\.write\b/, ['cli/output.ts'])).toEqual([])
  })

  it('subclasses nothing but errors, and no EventEmitter', () => {
    expect(places(/\bclass\s+\w+(?:<[^{]*>)?\s+extends\s+(?!(?:Error|ProxyError)\b)/)).toEqual([])
    expect(places(/\bnew\s+EventEmitter\b/)).toEqual([])
  })

  it('keeps no state in modules', () => {
    expect(places(/^(?:export\s+)?(?:let|var)\s/)).toEqual([])
  })

  it('throws nothing but ProxyError', () => {
    expect(places(/\bthrow\s+new\s+(?!ProxyError\b)/)).toEqual([])
  })
})
