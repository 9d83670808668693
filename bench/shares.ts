import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join, resolve } from 'node:path'
import { type OpenProxyOptions, openProxy, type PortaldProxy } from '../src/library.ts'
import { SCHEDULER_NAMES, type SchedulerName } from '../src/model/service.ts'
import { killEveryChild, openChild } from './child.ts'
import { HTTP_REQUEST } from './endpoints/http.ts'
import { answers, type Lab, openLab, pause } from './lab.ts'
import { describeMachine } from './machine.ts'
import { type Column, markdownTable } from './table.ts'
import { runWrk } from './tools/wrk.ts'

/** Which share of sessions each endpoint gets, by scheduler, against what theory says. Not a matter of speed: other work on the
 *  machine makes nothing wrong. Prints a report in Markdown; the exit code is 1 if a share is outside of its theory.
 *  Run: node bench/shares.ts > bench/results/DATE-shares.md */

/** The last one is a backup, and none of its sessions is in any theory. */
const WEIGHTS = [5, 3, 2, 1] as const
const NAMES = ['w5', 'w3', 'w2', 'backup'] as const
const ENDPOINT_PORT = 20_081
const PORT = 21_099
const STAYING = 600
const AT_ONCE = 64
const SECONDS = 2
const CLIENTS = 2_000
const CLIENTS_AT_ONCE = 100
const ADDRESSES = 200
const SETTLED_MS = 20_000
const WORKERS = [1, 4] as const
/** As many standard deviations are left to chance; one trial in 16,000 is further out. */
const SIGMAS = 4

/** How clients come. */
type Load = 'stay' | 'come and go' | 'many clients'

interface Theory {
  /** Part of all sessions that each endpoint ought to get; undefined: all of them go to one, whichever. */
  readonly shares: readonly number[] | undefined
  /** How far the number of an endpoint may be from that, of `sessions` in all. */
  readonly within: (share: number, sessions: number) => number
  readonly because: string
}

const EQUAL = [1 / 3, 1 / 3, 1 / 3, 0]
const BY_WEIGHT = [0.5, 0.3, 0.2, 0]
const chance = (share: number, sessions: number) => SIGMAS * Math.sqrt(sessions * share * (1 - share))

/** What a scheduler promises under a load; undefined: its shares then depend on how fast endpoints are. */
function theoryOf(scheduler: SchedulerName, load: Load, workers: number): Theory | undefined {
  const hashed = scheduler === 'sh' || scheduler === 'mh' || scheduler === 'dh'
  if (hashed) {
    if (load === 'come and go') return undefined
    if (load === 'stay') return { shares: undefined, within: () => 0, because: 'one client, one address: one endpoint' }
    return { shares: BY_WEIGHT, within: chance, because: 'a hash is as good as chance' }
  }
  if (load === 'many clients') return undefined
  switch (scheduler) {
    case 'rr':
      return { shares: EQUAL, within: () => 1, because: 'each in turn, in all threads' }
    case 'wrr':
      return { shares: BY_WEIGHT, within: () => Math.max(...WEIGHTS), because: 'exact at the end of each round of ten' }
    case 'random':
      return { shares: BY_WEIGHT, within: chance, because: 'chance' }
  }
  if (load === 'come and go') return undefined
  const shares = scheduler === 'lc' ? EQUAL : BY_WEIGHT
  if (scheduler === 'p2c') return { shares, within: (share, sessions) => 0.1 * share * sessions, because: 'nearly even, of two' }
  // Two threads that pick at once do not see each other's pick.
  const within = () => 2 + 4 * (workers - 1)
  return {
    shares,
    within,
    because: workers === 1 ? 'the least loaded' : 'the same; threads that pick at once do not see each other',
  }
}

interface Trial {
  readonly scheduler: SchedulerName
  readonly load: Load
  readonly workers: number
}

interface Outcome extends Trial {
  readonly theory: Theory
  readonly counts: readonly number[]
  readonly wrong: boolean
}

async function openEndpoints(lab: Lab): Promise<AsyncDisposable & { readonly ips: readonly string[] }> {
  const ips = WEIGHTS.map((_, index) => lab.endpointIp(index))
  const program = join(import.meta.dirname, 'endpoints', 'http-endpoint-program.ts')
  const command = [process.execPath, program, ...ips.map((ip) => `${ip}:${ENDPOINT_PORT}`)]
  const child = await openChild({ name: 'endpoints', command, cores: undefined, directory: lab.directory })
  for (const ip of ips) while (!(await answers({ ip, port: ENDPOINT_PORT }, HTTP_REQUEST))) await pause(10)
  return { ips, [Symbol.asyncDispose]: () => child[Symbol.asyncDispose]() }
}

function objectsOf(lab: Lab, ips: readonly string[], { scheduler, load }: Trial): unknown[] {
  const externalIPs = load === 'many clients' ? Array.from({ length: ADDRESSES }, (_, n) => lab.listenerIp(n + 1)) : []
  const weights = ips.map((ip, n) => `${ip}=${WEIGHTS[n]}`).join(',')
  const annotations = { 'portald.io/scheduler': scheduler, 'portald.io/weights': weights, 'portald.io/backup': ips.at(-1) }
  return [
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'web', namespace: 'bench', annotations },
      spec: { clusterIP: lab.listenerIp(0), externalIPs, ports: [{ port: PORT }] },
    },
    {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { name: 'web-1', namespace: 'bench', labels: { 'kubernetes.io/service-name': 'web' } },
      addressType: 'IPv4',
      ports: [{ name: '', port: ENDPOINT_PORT }],
      endpoints: ips.map((ip) => ({ addresses: [ip] })),
    },
  ]
}

/** One session of a client at an address of its own, to one of the addresses of the Service. */
function visit(from: string, to: string): Promise<void> {
  return new Promise((done, fail) => {
    const socket = connect({ host: to, port: PORT, localAddress: from })
    socket.once('connect', () => socket.write(HTTP_REQUEST))
    socket.once('data', () => socket.end())
    socket.once('error', fail)
    socket.once('close', () => done())
  })
}

async function apply(lab: Lab, { load, scheduler }: Trial): Promise<void> {
  const url = `http://${lab.listenerIp(0)}:${PORT}/`
  if (load !== 'many clients') {
    const connections = load === 'stay' ? STAYING : AT_ONCE
    await runWrk({ url, connections, seconds: SECONDS, close: load !== 'stay', cores: undefined })
    return
  }
  let next = 0
  const others = Array.from({ length: CLIENTS_AT_ONCE }, async () => {
    for (let n = next++; n < CLIENTS; n = next++) {
      const client = `127.77.${n >> 8}.${n & 255}`
      // By dh it is the address they come to that counts: each has as many clients.
      await visit(client, lab.listenerIp(scheduler === 'dh' ? 1 + (n % ADDRESSES) : 0))
    }
  })
  await Promise.all(others)
}

/** Sessions by endpoint, from the access log. */
function countSessions(file: string, ips: readonly string[]): number[] {
  const counts = ips.map(() => 0)
  for (const line of readFileSync(file, 'utf8').split('\n')) {
    if (line === '') continue
    const { endpoint = '' } = JSON.parse(line) as { endpoint?: string }
    const index = ips.findIndex((ip) => endpoint.startsWith(`${ip}:`))
    if (index < 0) throw new Error(`a session without an endpoint: ${line}`)
    counts[index] = (counts[index] as number) + 1
  }
  return counts
}

async function untilListening(proxy: PortaldProxy): Promise<void> {
  await proxy.ready
  const failed = proxy.addresses().filter(({ status }) => status.state !== 'listening')
  if (failed.length > 0) throw new Error(`not listening: ${failed.map(({ key }) => key).join(', ')}`)
}

async function play(lab: Lab, ips: readonly string[], trial: Trial, theory: Theory): Promise<Outcome> {
  const accessLog = join(lab.directory, `${trial.scheduler}-${trial.load}-${trial.workers}.log`)
  const options: OpenProxyOptions = { engine: 'native', workers: trial.workers, allowLoopbackEndpoints: true, accessLog }
  {
    await using proxy = await openProxy({ ...options, objects: objectsOf(lab, ips, trial) })
    await untilListening(proxy)
    await apply(lab, trial)
    await proxy.drain({ deadlineMs: SETTLED_MS })
  }
  const counts = countSessions(accessLog, ips)
  // By dh an address is one draw, however many clients come to it.
  const perDraw = trial.scheduler === 'dh' && trial.load === 'many clients' ? CLIENTS / ADDRESSES : 1
  return { ...trial, theory, counts, wrong: isWrong(theory, counts, perDraw) }
}

function isWrong({ shares, within }: Theory, counts: readonly number[], perDraw: number): boolean {
  const all = counts.reduce((sum, count) => sum + count, 0)
  if (all === 0) return true
  if (!shares) return counts.filter((count) => count > 0).length !== 1
  const allowed = (share: number) => (share === 0 ? 0 : perDraw * within(share, all / perDraw))
  return counts.some((count, n) => Math.abs(count - (shares[n] as number) * all) > allowed(shares[n] as number))
}

const percent = (part: number) => `${(100 * part).toFixed(2)}`

function cellsOf({ scheduler, load, workers, theory, counts, wrong }: Outcome): string[] {
  const all = counts.reduce((sum, count) => sum + count, 0)
  const shares = counts.map((count) => percent(count / all))
  const expected = theory.shares
    ? theory.shares
        .slice(0, 3)
        .map((share) => percent(share))
        .join(' ')
    : 'one 100'
  return [scheduler, load, `${workers}`, `${all}`, ...shares, expected, theory.because, wrong ? '**no**' : 'yes']
}

const COLUMNS: readonly Column[] = [
  { title: 'scheduler', align: 'left' },
  { title: 'sessions that', align: 'left' },
  { title: 'workers', align: 'right' },
  { title: 'sessions', align: 'right' },
  ...NAMES.map((name) => ({ title: `${name} %`, align: 'right' }) as const),
  { title: 'theory %', align: 'left' },
  { title: 'because', align: 'left' },
  { title: 'within', align: 'left' },
]

async function main(): Promise<boolean> {
  await using lab = await openLab()
  await using endpoints = await openEndpoints(lab)
  const outcomes: Outcome[] = []
  for (const workers of WORKERS) {
    for (const scheduler of SCHEDULER_NAMES) {
      for (const load of ['stay', 'come and go', 'many clients'] as const) {
        const theory = theoryOf(scheduler, load, workers)
        if (!theory) continue
        const outcome = await play(lab, endpoints.ips, { scheduler, load, workers }, theory)
        process.stderr.write(`${cellsOf(outcome).join('  ')}\n`)
        outcomes.push(outcome)
      }
    }
  }
  const { cpu, cores, kernel, node, commit } = describeMachine(resolve(import.meta.dirname, '..'))
  const wrong = outcomes.filter((outcome) => outcome.wrong).length
  const lines = [
    '# What share of the sessions each endpoint gets',
    '',
    `- ${cpu}, ${cores} cores, ${kernel}, Node ${node}; ${commit}`,
    '- `node bench/shares.ts`: the native engine; endpoints that weigh 5, 3 and 2, and a backup, which ought to get nothing',
    `- *stay*: wrk, ${STAYING} connections for ${SECONDS} s. *come and go*: wrk, ${AT_ONCE} at once, \`Connection: close\`. *many`,
    `  clients*: ${CLIENTS} addresses, one session each; for dh, to ${ADDRESSES} addresses of the Service`,
    `- chance: ${SIGMAS} standard deviations; least loaded: 2 sessions, and 4 for each further worker; p2c: a tenth of the share`,
    `- counted from the access log; ${wrong === 0 ? 'every share is within its theory' : `${wrong} are outside of their theory`}`,
    '',
    ...markdownTable(COLUMNS, outcomes.map(cellsOf)),
  ]
  process.stdout.write(`${lines.join('\n')}\n`)
  return wrong === 0
}

process.on('exit', killEveryChild)
process.exitCode = (await main()) ? 0 : 1
