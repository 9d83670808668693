import { execFile } from 'node:child_process'
import { messageOf } from '../lib/errors.ts'

export type Family = 4 | 6

/** Lines given to one run of `ip`: enough for ten thousand addresses in ten runs, each of them a matter of milliseconds. */
const BATCH_LINES = 1_000
/** A run that takes longer is killed. */
const TIMEOUT_MS = 10_000
/** What `ip` may print: 10,000 routes are 2 MB. */
const MOST_OUTPUT_BYTES = 64 * 1024 * 1024
/** Where `ip` is, also for users whose path lacks it. */
const USUAL_PLACES = '/usr/sbin:/usr/bin:/sbin:/bin'

/** What became of some commands: the ones that failed, by position, with the reason. */
export type BatchFailures = ReadonlyMap<number, string>

/** The program `ip` of iproute2. Nothing passes through a shell. */
export interface IpRoute {
  /** `{ version }`, or `{ missing }` with the reason. */
  version(): Promise<{ readonly version: string } | { readonly missing: string }>
  /** The JSON of all local routes of a family, or why there is none. */
  localRoutes(family: Family): Promise<{ readonly json: string } | { readonly failed: string }>
  /** Does commands, such as `route add …`, in order; one that fails does not keep the others from being done. Never rejects. */
  batch(family: Family, commands: readonly string[]): Promise<BatchFailures>
}

interface Ended {
  readonly out: string
  readonly err: string
  /** Undefined: it ended with 0. */
  readonly failure: string | undefined
}

/** Opens the program as it is found on this machine. Holds nothing. */
export function createIpRoute(): IpRoute {
  return {
    async version() {
      const { out, failure } = await run(['-V'])
      const version = /\biproute2-[\w.-]+/.exec(out)?.[0]
      if (version) return { version }
      return { missing: failure === undefined ? 'the program "ip" here is not that of iproute2' : `no program "ip": ${failure}` }
    },
    async localRoutes(family) {
      const { out, err, failure } = await run([`-${family}`, '-N', '-json', 'route', 'show', 'table', 'local', 'type', 'local'])
      return failure === undefined ? { json: out } : { failed: firstLine(err) || failure }
    },
    async batch(family, commands) {
      const failures = new Map<number, string>()
      for (let first = 0; first < commands.length; first += BATCH_LINES) {
        const lines = commands.slice(first, first + BATCH_LINES)
        const { err, failure } = await run([`-${family}`, '-force', '-batch', '-'], `${lines.join('\n')}\n`)
        if (failure === undefined) continue
        const told = parseBatchErrors(err)
        for (const [line, reason] of told) failures.set(first + line, reason)
        // It did not come to the lines: not there, killed, not permitted.
        if (told.size === 0) for (let line = 0; line < lines.length; line++) failures.set(first + line, firstLine(err) || failure)
      }
      return failures
    },
  }
}

/** What `ip -force -batch` says of lines that failed, by position from 0: a reason, then `Command failed -:LINE`. */
export function parseBatchErrors(text: string): BatchFailures {
  const failures = new Map<number, string>()
  let reason = ''
  for (const line of text.split('\n')) {
    const number = /^Command failed .*:(\d+)\s*$/.exec(line)?.[1]
    if (number === undefined) {
      reason = line.replace(/^(?:RTNETLINK answers|Error): /, '').trim() || reason
      continue
    }
    failures.set(Number(number) - 1, reason || 'failed')
    reason = ''
  }
  return failures
}

function run(parameters: readonly string[], input?: string): Promise<Ended> {
  const env = { PATH: [process.env['PATH'], USUAL_PLACES].filter(Boolean).join(':'), LC_ALL: 'C' }
  return new Promise((resolve) => {
    const options = { env, timeout: TIMEOUT_MS, killSignal: 'SIGKILL', maxBuffer: MOST_OUTPUT_BYTES } as const
    const child = execFile('ip', parameters, options, (error, out, err) => {
      resolve({ out, err, failure: error === null ? undefined : firstLine(messageOf(error)) })
    })
    // One that ended before it read everything says so by how it ended.
    child.stdin?.on('error', () => {})
    child.stdin?.end(input)
  })
}

function firstLine(text: string): string {
  return text.trim().split('\n', 1)[0] as string
}
