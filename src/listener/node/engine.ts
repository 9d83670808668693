import { setImmediate as nextTurn } from 'node:timers/promises'
import { type Clock, systemClock } from '../../lib/clock.ts'
import { CoarseTimer } from '../../lib/coarse-timer.ts'
import type { RouteDelta } from '../../model/delta.ts'
import type { SessionEnd } from '../../model/session.ts'
import type { Engine, ListenerSpec, ListenerStatus, SessionFilter, SessionPolicy } from '../listener.ts'
import { SessionMatcher } from '../session-matcher.ts'
import { TracedPolicy } from '../traced-policy.ts'
import { Budget, type NodeContext } from './context.ts'
import { Newcomers } from './newcomers.ts'
import { sessionIds } from './session-id.ts'
import { listSessions } from './session-list.ts'
import { TcpListener } from './tcp-listener.ts'
import { UdpListener } from './udp-listener.ts'
import { UdpOrder } from './udp-order.ts'
import { WaitingRoom } from './waiting-room.ts'

/** How late an idle session may be noticed. */
const IDLE_TICK_MS = 250

export interface NodeEngineOptions {
  readonly policy: SessionPolicy
  /** Descriptors that sessions may hold. */
  readonly descriptors: number
  readonly clock?: Clock
}

/** Opens the portable engine: `node:net` and `node:dgram` on the calling thread. Runs wherever Node runs. */
export function openNodeEngine(options: NodeEngineOptions): Engine {
  const clock = options.clock ?? systemClock
  const idle = new CoarseTimer(clock, IDLE_TICK_MS)
  const newcomers = new Newcomers(clock)
  const context: NodeContext = {
    policy: options.policy,
    clock,
    idle,
    newcomers,
    waitingRoom: new WaitingRoom(options.policy, clock),
    nextId: sessionIds(0),
    budget: new Budget(options.descriptors),
  }
  const order = new UdpOrder()
  const listeners = new Map<number, TcpListener | UdpListener>()
  /** Listeners that were closed but still have sessions: reachable by `cut`. */
  const closed = new Set<TcpListener | UdpListener>()

  function cut(filter: SessionFilter, end: SessionEnd): number {
    let count = 0
    for (const listener of [...listeners.values(), ...closed]) {
      if (filter.protocol && listener.spec.protocol !== filter.protocol) continue
      if (filter.listeners && !filter.listeners.includes(listener.spec.id)) continue
      count += listener.cut(filter, end)
    }
    return count
  }

  return {
    name: 'node',
    protocols: new Set(['TCP', 'UDP']),
    sctpRefusal: 'the node engine has no SCTP',
    can: new Set(),
    async open(spec: ListenerSpec): Promise<ListenerStatus> {
      const known = listeners.get(spec.id)
      const listener = known ?? (spec.protocol === 'UDP' ? new UdpListener(context, order, spec) : new TcpListener(context, spec))
      const status = await listener.open()
      if (status.state === 'listening') listeners.set(spec.id, listener)
      return status
    },
    async park(id) {
      await listeners.get(id)?.stopListening('no-endpoint')
    },
    async close(id, sessions) {
      const listener = listeners.get(id)
      if (!listener) return
      listeners.delete(id)
      await listener.stopListening('endpoint-removed')
      if (sessions === 'cut') listener.cut({}, 'endpoint-removed')
      if (listener.sessions === 0) return
      closed.add(listener)
      void listener.whenEmpty().then(() => closed.delete(listener))
    },
    async drain() {
      await Promise.all([...listeners.values(), ...closed].map((listener) => listener.drain()))
    },
    async publish(delta: RouteDelta) {
      const hurried = options.policy.apply(delta)
      context.waitingRoom.stir()
      if (hurried.length === 0) return
      for (const listener of [...listeners.values(), ...closed]) if (hurried.includes(listener.spec.id)) listener.hasten()
    },
    async cut(filter, end) {
      return cut(filter, end)
    },
    list: (query, most) => listSessions([...listeners.values(), ...closed], new SessionMatcher(query), most),
    async trace(order) {
      context.policy = order ? new TracedPolicy(options.policy, clock, order, 0) : options.policy
    },
    tally(look) {
      for (const { running } of [...listeners.values(), ...closed]) for (const session of running) look(session)
    },
    sessions: () => context.budget.sessions,
    workers: () => [{ sessions: context.budget.sessions, running: true }],
    async pulse() {
      const askedMs = clock.now()
      await nextTurn()
      return [{ cpuMs: cpuMs(), answerMs: clock.now() - askedMs }]
    },
    async [Symbol.asyncDispose]() {
      const all = [...listeners.values(), ...closed]
      listeners.clear()
      for (const listener of all) await listener.stopListening('killed')
      for (const listener of all) listener.cut({}, 'killed')
      await Promise.all(all.map((listener) => listener.whenEmpty()))
      newcomers[Symbol.dispose]()
      idle[Symbol.dispose]()
    },
  }
}

/** Of the thread that this runs in. */
function cpuMs(): number | undefined {
  // Not in Node 22.
  const usage = process.threadCpuUsage?.()
  return usage && (usage.user + usage.system) / 1000
}
