import type { Clock } from '../lib/clock.ts'
import { descriptorLimit, openDescriptors } from '../lib/descriptor-limit.ts'
import type { Random } from '../lib/random.ts'
import type { DrainedEndpoint, DrainTarget } from '../model/drain.ts'
import type { Explanation } from '../model/explanation.ts'
import type { EndpointHealth } from '../model/health.ts'
import type { SessionPage, SessionSelection } from '../model/session-view.ts'
import type { Status } from '../model/status.ts'
import type { TraceSelection, TraceStep } from '../model/trace.ts'
import type { PreparedEngine } from './choose-engine.ts'
import type { ControlPlane } from './control-plane.ts'
import type { DataPlane } from './data-plane.ts'
import { Drains } from './drains.ts'
import type { EndpointReading } from './endpoint-status.ts'
import { explain, type Question } from './explain.ts'
import { countLive } from './live-counts.ts'
import { RunningSessions } from './running-sessions.ts'
import { readStatus } from './status.ts'
import { Traces } from './traces.ts'

export interface InspectorParts {
  readonly prepared: Pick<PreparedEngine, 'plan' | 'engine' | 'descriptors'>
  readonly dataPlane: DataPlane
  readonly controlPlane: Pick<ControlPlane, 'states' | 'synced'>
  readonly clock: Clock
  readonly random: Random
  readonly version: string
  readonly draining: () => boolean
}

/** Looks into a running proxy, and does by hand what people do there. Works from what main has: nobody else is asked. */
export interface Inspector {
  /** `only`: nothing but this Service (`default/web`) or Service port (`default/web:http`). */
  status(only?: string): Status
  /** Up to `most` running sessions. */
  sessions(selection: SessionSelection, most: number): Promise<SessionPage>
  /** Ends sessions (`killed`); returns how many. */
  kill(selection: SessionSelection): Promise<number>
  /** What would become of a client's next session. Changes nothing. */
  explain(question: Question): Explanation
  /** Gives every step of the new sessions that are meant to `take`, soon after, until disposed; or says that there is no such
   *  Service, or that too many traces are under way. */
  trace(selection: TraceSelection, take: (steps: readonly TraceStep[]) => void): Disposable | 'nobody' | 'too-many'
  /** Takes endpoints out (`out`), or puts them back; returns those that were meant. */
  drain(target: DrainTarget, out: boolean): readonly DrainedEndpoint[]
  /** The same without doing anything. */
  drained(target: DrainTarget): readonly DrainedEndpoint[]
  /** Ends what still runs on endpoints that were taken out (`drained`); returns how many sessions. */
  finishDrain(target: DrainTarget): Promise<number>
}

export function createInspector(parts: InspectorParts): Inspector {
  const { prepared, dataPlane, controlPlane, clock } = parts
  const { plan, engine, descriptors } = prepared
  const { ledger, pool, overlay } = dataPlane
  const startedMs = clock.wall()
  const limit = descriptorLimit()
  const running = new RunningSessions({ engine, ledger, names: dataPlane.sessionLog.names, clock })
  const drains = new Drains({ overlay, ledger, engine, snapshot: () => dataPlane.snapshot })
  const traces = new Traces({
    engine,
    workers: plan.workers,
    names: dataPlane.sessionLog.names,
    endpointName: (slot) => ledger.endpointName(slot),
    clock,
  })
  const reading = (): EndpointReading => ({
    ledger: ledger.views,
    clock,
    slotOf: (service, endpoint) => ledger.knownEndpointSlot(service, endpoint),
    sinceMs: (service, endpoint) => dataPlane.history.sinceMs(service, endpoint),
    health: healthByName(dataPlane.health.read()),
  })
  return {
    status: (only) =>
      readStatus(
        {
          ...reading(),
          version: parts.version,
          pid: process.pid,
          startedMs,
          synced: controlPlane.synced,
          draining: parts.draining(),
          engine: { name: engine.name, reason: plan.reason },
          snapshot: dataPlane.snapshot,
          sources: controlPlane.states(),
          addresses: pool.addresses(),
          servicePorts: ledger.servicePorts(),
          slots: ledger.endpoints(),
          live: countLive((look) => engine.tally(look)),
          serviceOf: (slot) => ledger.endpointName(slot)?.service,
          workers: engine.workers(),
          limits: {
            sessions: { active: engine.sessions() },
            descriptors: { limit, forSessions: descriptors, open: openDescriptors() },
            recordsDropped: dataPlane.sessionLog.dropped(),
            affinity: dataPlane.affinity(),
          },
        },
        only,
      ),
    sessions: (selection, most) => running.list(selection, most),
    kill: (selection) => running.kill(selection),
    explain: (question) =>
      explain(question, {
        ...reading(),
        snapshot: dataPlane.snapshot,
        addresses: [...pool.addresses()],
        published: (listener) => dataPlane.published(listener),
        endpointName: (slot) => ledger.endpointName(slot),
        affinity: dataPlane.remembered,
        random: parts.random,
      }),
    trace: (selection, take) => traces.open(selection, take),
    drain: (target, out) => drains.set(target, out),
    drained: (target) => drains.look(target),
    finishDrain: (target) => drains.finish(target),
  }
}

function healthByName(all: readonly EndpointHealth[]): EndpointReading['health'] {
  const byName = new Map(all.map((health) => [`${health.service} ${health.endpoint}`, health]))
  return (service, endpoint) => byName.get(`${service} ${endpoint}`)
}
