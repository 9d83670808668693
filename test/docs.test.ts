import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { Command } from 'commander'
import { describe, expect, it } from 'vitest'
import { addClientCommands } from '../src/cli/client-arguments.ts'
import { ANNOTATIONS } from '../src/model/annotations.ts'
import { flagOf, OPTION_KEYS } from '../src/model/config-table.ts'
import { KUBE_PROXY_FLAGS } from '../src/model/kube-proxy-config.ts'
import { BACKUP_LABEL, WEIGHT_LABEL } from '../src/model/preference.ts'
import { LOG_EVENTS } from '../src/observe/log-events.ts'
import { METRICS } from '../src/observe/metric-table.ts'
import { closingRows } from './support/close-matrix.ts'
import { annotationRows, kubeProxyRows, optionRows } from './support/doc-rows.ts'

const ROOT = join(import.meta.dirname, '..')
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8')
const pages = ['README.md', 'CONTRIBUTING.md', ...readdirSync(join(ROOT, 'docs')).map((name) => `docs/${name}`)].filter(
  (path) => path.endsWith('.md') && existsSync(join(ROOT, path)),
)

/** Rows of a page's tables whose first cell is code that matches. */
function rows(path: string, first: RegExp): string[] {
  return read(path)
    .split('\n')
    .filter((line) => first.test(/^\| `([^`]+)`/.exec(line)?.[1] ?? ''))
}

/** The code in the first cell of such rows. */
function names(path: string, first: RegExp): string[] {
  return rows(path, first).map((line) => line.split('`')[1] as string)
}

/** Rows of the table of a page that has this header. */
function tableUnder(path: string, header: string): string[] {
  const lines = read(path).split('\n')
  const begin = lines.indexOf(header) + 2
  const end = lines.findIndex((line, n) => n >= begin && !line.startsWith('|'))
  return lines.slice(begin, end)
}

/** What headings of a page are called in links. */
function anchors(text: string): Set<string> {
  const headings = text.matchAll(/^#{1,6} +(.+)$/gm)
  return new Set(
    [...headings].map(([, title]) =>
      (title as string)
        .toLowerCase()
        .replace(/[^\p{L}\p{N} _-]/gu, '')
        .replaceAll(' ', '-'),
    ),
  )
}

/** Flags of commands that ask a running portald. */
const CLIENT_FLAGS = clientFlags()

/** Flags that are not options of the table: those of single commands, and of other programs that pages mention. */
const OTHER_FLAGS = [
  'help',
  'version',
  'output',
  'affinity',
  'no-allow-loopback-endpoints',
  'once',
  'json',
  'ipvs',
  ...CLIENT_FLAGS,
]

describe('documentation', () => {
  it('lists every option as the program reads it, and no other', () => {
    expect(rows('docs/configuration.md', /^--/)).toEqual(optionRows())
  })

  it('lists every annotation as the program reads it, and no other', () => {
    expect(rows('docs/annotations.md', /^portald\.io\//)).toEqual(annotationRows())
  })

  it('lists every flag and field of kube-proxy as the program reads it, and no other', () => {
    expect(tableUnder('docs/kube-proxy.md', '| field | flag | default | here |')).toEqual(kubeProxyRows())
  })

  it('lists every way in which a session closes as it is tested', () => {
    const header = '| when | who | does | the other side gets | itself gets | end | node |'
    expect(tableUnder('docs/closing.md', header)).toEqual(closingRows())
  })

  it('lists every error code, and no other', () => {
    const codes = read('src/lib/errors.ts')
      .match(/'E_[A-Z_]+'/g)
      ?.map((code) => code.slice(1, -1))
    expect(names('docs/errors.md', /^E_/)).toEqual([...new Set(codes)])
  })

  it('lists no log event that is never logged', () => {
    const sources = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts') && !name.endsWith('log-events.ts'))
      .map((name) => read(`src/${name}`))
      .join('')
    expect(Object.keys(LOG_EVENTS).filter((event) => !sources.includes(`'${event}'`))).toEqual([])
  })

  it('lists no error code that is never used', () => {
    const sources = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts') && !name.endsWith('lib/errors.ts'))
      .map((name) => read(`src/${name}`))
      .join('')
    expect(names('docs/errors.md', /^E_/).filter((code) => !sources.includes(`'${code}'`))).toEqual([])
  })

  it('lists every metric, and no other', () => {
    expect(names('docs/metrics.md', /^(?:portald|kubeproxy)_/)).toEqual(Object.keys(METRICS))
  })

  it('lists every log event, and no other', () => {
    expect(names('docs/logs.md', /^[a-z-]+\.[a-z-]+$/)).toEqual(Object.keys(LOG_EVENTS))
  })

  it('mentions no flag, annotation or metric that does not exist', () => {
    const flags = new Set([...OPTION_KEYS.map(flagOf), ...KUBE_PROXY_FLAGS.map(({ flag }) => flag), ...OTHER_FLAGS])
    const annotations = new Set([...ANNOTATIONS.map(({ name }) => name), WEIGHT_LABEL, BACKUP_LABEL])
    const known = { flags, annotations, metrics: new Set(Object.keys(METRICS)) }
    const unknown = pages.flatMap((path) => {
      const text = read(path).replace(/^.*\b(?:npm|npx (?!portald)|apt-get|curl|node|docker|iptables|kubectl|git) .*$/gm, '')
      return [
        ...[...text.matchAll(/(?<![\w-])--([a-z][a-z-]+)/g)].filter(([, flag]) => !known.flags.has(flag as string)),
        ...[...text.matchAll(/portald\.io\/[a-z][a-z-]+(?!\w)/g)].filter(([name]) => !known.annotations.has(name)),
        ...[...text.matchAll(/\b(?:portald|kubeproxy)_[a-z_]*[a-z](?!\w)/g)].filter(([name]) => !isMetric(name, known.metrics)),
      ].map(([word]) => `${path}: ${word}`)
    })
    expect(unknown).toEqual([])
  })

  it('links to pages and headings that exist', () => {
    const broken = pages.flatMap((path) => {
      const text = read(path).replace(/```[\s\S]*?```/g, '')
      const links = [...text.matchAll(/\]\((?!https?:|mailto:)([^)\s#]*)(?:#([^)\s]+))?\)/g)]
      return links
        .filter(([, target, anchor]) => {
          const file = target ? join(dirname(join(ROOT, path)), target) : join(ROOT, path)
          return !existsSync(file) || (anchor !== undefined && !anchors(readFileSync(file, 'utf8')).has(anchor))
        })
        .map(([link]) => `${path}: ${link}`)
    })
    expect(broken).toEqual([])
  })
})

/** A histogram is also known by the names of its parts. */
function isMetric(name: string, metrics: ReadonlySet<string>): boolean {
  return metrics.has(name) || metrics.has(name.replace(/_(?:bucket|sum|count)$/, ''))
}

function clientFlags(): string[] {
  const program = new Command()
  addClientCommands(program, () => {})
  return program.commands.flatMap(({ options }) => options.map(({ long }) => (long ?? '').slice(2)))
}
