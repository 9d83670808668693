import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { pinned } from '../child.ts'
import { openEcho } from '../endpoints/program.ts'
import { pause } from '../lab.ts'
import { maxOpenFiles } from '../machine.ts'
import { residentBytes, sampleCpu } from '../proc.ts'
import { notInstalled } from '../tools/installed.ts'
import { loadProgram } from '../tools/load-program.ts'
import { type Scenario, TrialFailure, withSubject } from './scenario.ts'

const SESSIONS = 9000
const DESCRIPTORS_PER_SESSION = 2
const RESERVED_DESCRIPTORS = 1500
const ENDPOINTS = 3
/** Until whoever gives memory back after its start has done so. */
const START_SETTLE_MS = 35_000
const SETTLE_MS = 15_000
const LOAD_TIMEOUT_MS = 60_000

/** Sessions that are open, have carried a byte each way, and are quiet; each carries another byte at the end. */
export const idleSessions: Scenario = {
  name: 'idle-sessions',
  title: `${SESSIONS} idle TCP sessions`,
  protocol: 'tcp',
  workers: 1,
  metrics: [
    { key: 'rss', title: 'RSS MB' },
    { key: 'perSession', title: 'KiB/session' },
    { key: 'empty', title: 'RSS MB empty' },
    { key: 'idleCpu', title: 'CPU ms/s idle' },
  ],
  peers: ['haproxy', 'haproxy-splice'],
  unavailable() {
    const needed = SESSIONS * DESCRIPTORS_PER_SESSION + RESERVED_DESCRIPTORS
    const limit = maxOpenFiles()
    return limit < needed ? `not measurable here: ${limit} open files allowed, ${needed} needed` : notInstalled('gcc')
  },
  unsuitable: (subject) => (subject.name === 'direct' ? 'has no process' : undefined),
  async open(lab, { seconds }) {
    const cores = lab.cores(1)
    const program = await loadProgram('tcp-load')
    const echo = await openEcho(lab, 'tcp', ENDPOINTS, cores.loadPin)
    return {
      setting: 'bench/load/tcp-load.c; memory of user space only, the kernel adds its two sockets a session to each',
      trial(competitor) {
        const local = { ip: lab.listenerIp(0), port: competitor.port }
        const plan = { listeners: [{ protocol: 'tcp' as const, local, endpoints: echo.addresses }], workers: 1 }
        return withSubject(lab, competitor, plan, [{ protocol: 'tcp', say: 'x' }], async (open, [to = local]) => {
          await pause(START_SETTLE_MS)
          const empty = residentBytes(open.pids())
          const [command = '', ...rest] = pinned([program, 'idle', to.ip, `${to.port}`, `${SESSIONS}`], cores.loadPin)
          const load = spawn(command, rest, { stdio: ['pipe', 'pipe', 'inherit'] })
          const timer = setTimeout(() => load.kill('SIGKILL'), LOAD_TIMEOUT_MS + seconds * 1000)
          const ended = once(load, 'close')
          try {
            const lines = createInterface({ input: load.stdout })[Symbol.asyncIterator]()
            const next = async (): Promise<Readonly<Record<string, number>>> => {
              const line = await lines.next()
              if (line.done === true) throw new TrialFailure('the load generator ended early')
              return JSON.parse(line.value)
            }
            const { opened = 0 } = await next()
            if (opened < SESSIONS) throw new TrialFailure(`${SESSIONS - opened} of ${SESSIONS} sessions did not open`)
            await pause(SETTLE_MS)
            const before = sampleCpu(open.pids())
            const startMs = performance.now()
            await pause(seconds * 1000)
            const idleCpu = (sampleCpu(open.pids()).cpuNs - before.cpuNs) / 1e3 / (performance.now() - startMs)
            const full = residentBytes(open.pids())
            load.stdin.end()
            const { alive = 0 } = await next()
            if (alive < SESSIONS) throw new TrialFailure(`${SESSIONS - alive} of ${SESSIONS} sessions were dead at the end`)
            const perSession = (full - empty) / 1024 / SESSIONS
            return { values: { rss: full / 1e6, perSession, empty: empty / 1e6, idleCpu }, remarks: [] }
          } finally {
            clearTimeout(timer)
            load.kill('SIGKILL')
            await ended
          }
        })
      },
      [Symbol.asyncDispose]: () => echo[Symbol.asyncDispose](),
    }
  },
}
