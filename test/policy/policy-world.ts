import type { AskEndpoint } from '../../src/health/ask.ts'
import { manualClock } from '../../src/lib/clock.ts'
import { RouteSessionPolicy } from '../../src/listener/session-policy.ts'
import type { ListenerKey } from '../../src/model/keys.ts'
import type { SessionRecord } from '../../src/model/session.ts'
import { createSharedState, serviceBase, serviceCell } from '../../src/model/shared-layout.ts'
import { DataPlane } from '../../src/runtime/data-plane.ts'
import { FakeEngine } from '../support/fake-engine.ts'
import { type CompilerOptions, createCompiler } from '../support/objects.ts'
import { createRecordingLogger } from '../support/recording-logger.ts'
import { type Answers, connectSession, ScriptedSession } from '../support/scripted-client.ts'
import { scriptedRandom } from '../support/scripted-random.ts'

export interface PolicyWorldOptions extends CompilerOptions {
  readonly serviceSlots?: number
  readonly endpointSlots?: number
  /** What endpoints answer when they are asked whether they work. */
  readonly ask?: AskEndpoint
  readonly checksAtOnce?: number
}

/** Whoever is asked works. */
const askNobody: AskEndpoint = () => Promise.resolve({ said: '' })

/** Everything but sockets: objects are compiled and put in force as in a process, and scripted clients take the place of
 *  an engine. Every rotation begins with the first endpoint. */
export function createPolicyWorld({
  serviceSlots = 16,
  endpointSlots = 64,
  ask = askNobody,
  checksAtOnce = 64,
  ...options
}: PolicyWorldOptions = {}) {
  const shared = createSharedState({ rows: 1, serviceSlots, endpointSlots, affinityEntries: 1024, recordsPerRing: 256 })
  const clock = manualClock()
  const compiler = createCompiler(options)
  const engine = new FakeEngine()
  const policy = new RouteSessionPolicy(shared, 0, clock, scriptedRandom())
  engine.onPublish = (delta) => void policy.apply(delta)
  const records: SessionRecord[] = []
  const logger = createRecordingLogger()
  const plane = new DataPlane({
    engine,
    shared,
    clock,
    random: scriptedRandom(),
    logger,
    checks: { programs: new Map(), atOnce: checksAtOnce, ask },
    onSession: (record) => records.push(record),
  })
  const listenerOf = (key: string) => plane.pool.idOf(key as ListenerKey) ?? 0
  return {
    clock,
    compiler,
    engine,
    plane,
    policy,
    records,
    logger,
    /** Puts these objects in force. */
    apply: (...objects: unknown[]) => plane.apply(compiler.compile(objects)),
    connect: (key: string, ip: string, answers?: Answers) => connectSession(policy, clock, listenerOf(key), ip, answers),
    dial: (key: string, ip: string) => new ScriptedSession(policy, clock, listenerOf(key), ip),
    /** Where sessions of these clients go: the last number of the endpoint's address, or why there is none. */
    go(key: string, ...ips: string[]): string {
      return ips
        .map((ip) => connectSession(policy, clock, listenerOf(key), ip).outcome)
        .map((outcome) => /\.(\d+):\d+\/\w+$/.exec(outcome)?.[1] ?? outcome)
        .join(' ')
    },
    /** Sessions that run now, by Service port. */
    active(): Record<string, number> {
      const [row] = plane.ledger.views.rows
      return Object.fromEntries(
        [...plane.servicePorts()].map(({ key, slot }) => [key, row?.services[serviceBase(slot) + serviceCell('active')] ?? 0]),
      )
    },
    /** Long enough for ended sessions to be read, and for their slots to be free again. */
    passMoments: () => clock.advance(250),
  }
}
