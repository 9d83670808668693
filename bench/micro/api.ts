import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { connect, createServer, type Socket } from 'node:net'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'

/** What the admin API costs, measured from outside on a whole process: a write until it is in force, writes a second, watchers
 *  that read and that do not, and a list of many sessions. Run: node bench/micro/api.ts (best in a network namespace of its
 *  own; needs 30,000 descriptors for 10,000 sessions, and takes fewer where there are fewer). */
const IP = '127.138.0.1'
const ENDPOINT = '127.138.0.2'
const ADMIN_PORT = 10_246
const NAMESPACE = '/api/v1/namespaces/default'
const SLICES = '/apis/discovery.k8s.io/v1/namespaces/default/endpointslices'
const IN_FORCE_ROUNDS = 100
const WRITES = 3_000
const CLIENTS = 32
const WATCHERS = 200
const WATCHED_WRITES = 2_000
const SESSIONS = Number(process.argv[2] ?? 4_000)
const CLOCK_TICK_MS = 10

const folder = mkdtempSync(join(tmpdir(), 'portald-bench-'))
const agent = new Agent({ keepAlive: true, maxSockets: CLIENTS })
const child = startProcess()
try {
  await untilAnswering()
  console.log(
    `load before        ${loadavg()
      .map((load) => load.toFixed(1))
      .join(' ')}`,
  )
  await measureInForce()
  await measureWrites()
  await measureServices()
  await measureWatchers()
  await measureSessions()
} finally {
  child.kill('SIGKILL')
  await once(child, 'exit')
  rmSync(folder, { recursive: true })
}
process.exit()

function startProcess(): ChildProcess {
  const portald = join(import.meta.dirname, '../../src/main.ts')
  const flags = ['--admin', `${IP}:${ADMIN_PORT}`, '--state-dir', join(folder, 'state'), '--allow-loopback-endpoints']
  const off = ['--metrics-bind-address=', '--healthz-bind-address=', '--log-level', 'error']
  const range = ['--service-cluster-ip-range', '127.139.0.0/16', '--vip-mode', 'present']
  return spawn(process.execPath, [portald, 'run', ...flags, ...off, ...range], { stdio: 'inherit' })
}

function ask(method: string, path: string, body?: object): Promise<{ code: number; text: string }> {
  return new Promise((resolve, reject) => {
    const headers = body ? { 'content-type': 'application/json' } : {}
    const asking = request({ host: IP, port: ADMIN_PORT, method, path, agent, headers }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk
      })
      response.on('end', () => resolve({ code: response.statusCode ?? 0, text }))
    })
    asking.on('error', reject).end(body && JSON.stringify(body))
  })
}

async function expectCode(wanted: number, method: string, path: string, body?: object): Promise<string> {
  const { code, text } = await ask(method, path, body)
  if (code !== wanted) throw new Error(`${method} ${path}: ${code} ${text.slice(0, 300)}`)
  return text
}

async function untilAnswering(): Promise<void> {
  const untilMs = performance.now() + 30_000
  for (;;) {
    const found = await ask('GET', `${NAMESPACE}/services`).catch(() => undefined)
    if (found?.code === 200) return
    if (performance.now() > untilMs) throw new Error('the process does not answer')
    await sleep(50)
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

function serviceOf(name: string, spec: object): object {
  return { apiVersion: 'v1', kind: 'Service', metadata: { name }, spec }
}

function sliceOf(name: string, service: string, addresses: readonly string[]): object {
  const metadata = { name, labels: { 'kubernetes.io/service-name': service } }
  const endpoints = addresses.map((address) => ({ addresses: [address] }))
  const ports = [{ name: '', port: 9_000, protocol: 'TCP' }]
  return { apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', metadata, addressType: 'IPv4', endpoints, ports }
}

/** Until a port that was just written takes connections; asked again at once as long as it does not. */
async function measureInForce(): Promise<void> {
  await expectCode(201, 'POST', SLICES, sliceOf('bench-1', 'bench', [ENDPOINT]))
  const spec = (port: number) => ({ externalIPs: [IP], ports: [{ port }] })
  await expectCode(201, 'POST', `${NAMESPACE}/services`, serviceOf('bench', spec(20_000)))
  const afterAnswer: number[] = []
  const writes: number[] = []
  for (let n = 1; n <= IN_FORCE_ROUNDS; n++) {
    const askedMs = performance.now()
    await expectCode(200, 'PUT', `${NAMESPACE}/services/bench`, serviceOf('bench', spec(20_000 + n)))
    const answeredMs = performance.now()
    while (!(await takesConnections(20_000 + n))) {
      if (performance.now() - answeredMs > 10_000) throw new Error('never in force')
    }
    writes.push(answeredMs - askedMs)
    afterAnswer.push(performance.now() - answeredMs)
    // Not in step with what the process does every 250 ms.
    await sleep(20 + ((n * 37) % 100))
  }
  console.log(`write answered     ${spread(writes)}`)
  console.log(`then in force      ${spread(afterAnswer)}`)
}

async function takesConnections(port: number): Promise<boolean> {
  const socket = connect(port, IP)
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}

function spread(values: number[]): string {
  const sorted = values.toSorted((a, b) => a - b)
  const at = (share: number) => (sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] as number).toFixed(1)
  return `median ${at(0.5)} ms, p90 ${at(0.9)} ms, worst ${at(1)} ms`
}

async function measureWrites(): Promise<void> {
  await writeAll('slices created', WRITES, (n) =>
    expectCode(201, 'POST', SLICES, sliceOf(`s-${n}`, `none-${n % 100}`, [`10.1.${n >> 8}.${n & 255 || 1}`])),
  )
}

async function measureServices(): Promise<void> {
  await writeAll('Services created', 1_000, (n) =>
    expectCode(201, 'POST', `${NAMESPACE}/services`, serviceOf(`w-${n}`, { type: 'NodePort', ports: [{ port: 80 }] })),
  )
}

async function writeAll(name: string, count: number, write: (n: number) => Promise<unknown>): Promise<void> {
  const from = usage()
  const startedMs = performance.now()
  let next = 0
  await Promise.all(
    Array.from({ length: CLIENTS }, async () => {
      while (next < count) await write(next++)
    }),
  )
  const ms = performance.now() - startedMs
  const cpuMs = usage().cpuMs - from.cpuMs
  console.log(
    `${name.padEnd(18)} ${count} in ${ms.toFixed(0)} ms: ${((count * 1000) / ms).toFixed(0)}/s; CPU ${(cpuMs / count).toFixed(2)} ms each`,
  )
}

/** Half of the watchers read, half do not. */
async function measureWatchers(): Promise<void> {
  const before = usage()
  let events = 0
  let cut = 0
  const watchers: Socket[] = []
  for (let n = 0; n < WATCHERS; n++) {
    const socket = connect(ADMIN_PORT, IP)
    socket.write(`GET ${SLICES}?watch=1&resourceVersion=0 HTTP/1.1\r\nHost: ${IP}\r\n\r\n`)
    if (n % 2 === 0) {
      socket.setEncoding('latin1').on('data', (text: string) => {
        events += text.split('"type":"MODIFIED"').length - 1
      })
    } else socket.pause()
    socket.on('error', () => {}).on('close', () => cut++)
    watchers.push(socket)
  }
  await sleep(3_000)
  const open = usage()
  await writeAll('watched writes', WATCHED_WRITES, (n) =>
    expectCode(200, 'PUT', `${SLICES}/bench-1`, sliceOf('bench-1', 'bench', [ENDPOINT, `10.2.${n >> 8}.${n & 255 || 1}`])),
  )
  await sleep(2_000)
  const after = usage()
  console.log(`watchers           ${WATCHERS}, half of them silent; ${events} events read; ${cut} cut`)
  console.log(`resident MiB       ${mib(before)} before, ${mib(open)} with the watchers, ${mib(after)} after`)
  for (const socket of watchers) socket.destroy()
}

async function measureSessions(): Promise<void> {
  const peers = new Set<Socket>()
  const server = createServer((socket) => void peers.add(socket.on('error', () => {}))).listen(9_000, ENDPOINT)
  await once(server, 'listening')
  await expectCode(200, 'PUT', `${SLICES}/bench-1`, sliceOf('bench-1', 'bench', [ENDPOINT]))
  await sleep(500)
  const sessions: Socket[] = []
  while (sessions.length < SESSIONS) {
    const more = Array.from({ length: 100 }, () => connect(20_000 + IN_FORCE_ROUNDS, IP).on('error', () => {}))
    await Promise.all(more.map((socket) => once(socket, 'connect')))
    sessions.push(...more)
  }
  await sleep(1_000)
  const costs: number[] = []
  let listed = 0
  const rounds = 20
  const from = usage()
  for (let n = 0; n < rounds; n++) {
    const startedMs = performance.now()
    const text = await expectCode(200, 'GET', '/portald/v1/sessions?limit=10000')
    costs.push(performance.now() - startedMs)
    listed = (JSON.parse(text) as { sessions: unknown[] }).sessions.length
  }
  const cpuMs = (usage().cpuMs - from.cpuMs) / rounds
  console.log(`sessions           ${listed} listed: CPU ${cpuMs.toFixed(0)} ms (mean of ${rounds}); ${spread(costs)}`)
  for (const socket of [...sessions, ...peers]) socket.destroy()
  server.close()
}

function usage(): { readonly cpuMs: number; readonly residentBytes: number } {
  const fields = readFileSync(`/proc/${child.pid}/stat`, 'latin1').split(') ')[1]?.split(' ') ?? []
  const cpuMs = (Number(fields[11]) + Number(fields[12])) * CLOCK_TICK_MS
  return { cpuMs, residentBytes: Number(fields[21]) * 4096 }
}

function mib({ residentBytes }: { readonly residentBytes: number }): string {
  return (residentBytes / 2 ** 20).toFixed(0)
}
