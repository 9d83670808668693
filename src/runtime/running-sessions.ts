import type { Ledger } from '../balancer/ledger.ts'
import type { Clock } from '../lib/clock.ts'
import type { Engine, RunningSession, SessionQuery } from '../listener/listener.ts'
import { showWords } from '../model/address.ts'
import { endpointAddress, type Port, showAddress } from '../model/keys.ts'
import type { SessionPage, SessionSelection, SessionView } from '../model/session-view.ts'
import { isAt, isOf } from './meant.ts'
import type { ListenerName } from './session-log.ts'

/** Sessions ended with one message to the workers: what they do then takes them about a millisecond. */
const KILLED_AT_ONCE = 128
/** More than are ever ended by one wish. */
const MOST_KILLED = 1_000_000

export interface RunningSessionsParts {
  readonly engine: Pick<Engine, 'list' | 'cut'>
  readonly ledger: Ledger
  readonly names: ReadonlyMap<number, ListenerName>
  readonly clock: Clock
}

/** The sessions that run, by name: numbers are the engines' business. */
export class RunningSessions {
  readonly #parts: RunningSessionsParts

  constructor(parts: RunningSessionsParts) {
    this.#parts = parts
  }

  /** Up to `most` of the sessions that match, and how many match. */
  async list(selection: SessionSelection, most: number): Promise<SessionPage> {
    const { engine, clock } = this.#parts
    const { sessions, matched } = await engine.list(this.#queryOf(selection), most)
    const [nowMs, wallMs] = [clock.now(), clock.wall()]
    const views = sessions.toSorted((a, b) => a.startedMs - b.startedMs).map((session) => this.#view(session, nowMs, wallMs))
    return { time: new Date(wallMs).toISOString(), matched, sessions: views }
  }

  /** Ends the sessions that match now; returns how many. */
  async kill(selection: SessionSelection): Promise<number> {
    const { engine } = this.#parts
    const { sessions } = await engine.list(this.#queryOf(selection), MOST_KILLED)
    let killed = 0
    for (let n = 0; n < sessions.length; n += KILLED_AT_ONCE) {
      const ids = new Set(sessions.slice(n, n + KILLED_AT_ONCE).map(({ id }) => id))
      killed += await engine.cut({ ids }, 'killed')
    }
    return killed
  }

  #queryOf({ ids, service, endpoint, client, olderThanMs, idleLongerThanMs, bytesOver }: SessionSelection): SessionQuery {
    const nowMs = this.#parts.clock.now()
    return {
      ...(ids && { ids: new Set(ids) }),
      ...(client && { clients: [client] }),
      ...(olderThanMs !== undefined && { startedBeforeMs: nowMs - olderThanMs }),
      ...(idleLongerThanMs !== undefined && { quietSinceMs: nowMs - idleLongerThanMs }),
      ...(bytesOver !== undefined && { leastBytes: bytesOver + 1 }),
      ...this.#placesOf(service, endpoint),
    }
  }

  /** Where sessions of a Service or an endpoint are: the endpoint says whose a session is; before it has one, the listener. */
  #placesOf(service: string | undefined, endpoint: string | undefined): Pick<SessionQuery, 'leases' | 'waitingAt'> {
    if (service === undefined && endpoint === undefined) return {}
    const leases: number[] = []
    for (const { slot, service: owner, key } of this.#parts.ledger.endpoints()) {
      if (isOf(owner, service) && (endpoint === undefined || isAt(key, endpoint))) leases.push(slot)
    }
    if (endpoint !== undefined) return { leases }
    const waitingAt = [...this.#parts.names].filter(([, name]) => isOf(name.service, service)).map(([listener]) => listener)
    return { leases, waitingAt }
  }

  #view(session: RunningSession, nowMs: number, wallMs: number): SessionView {
    const { ledger, names } = this.#parts
    const endpoint = session.lease < 0 ? undefined : ledger.endpointName(session.lease)
    const listener = names.get(session.listener)
    const datagrams = session.protocol !== 'TCP'
    return {
      id: session.id,
      protocol: session.protocol,
      state: session.state,
      client: showAddress({ ip: showWords(session.client), port: session.client.port as Port }),
      local: listener?.local ?? '',
      service: endpoint?.service ?? listener?.service ?? '',
      endpoint: endpoint && endpointAddress(endpoint.key),
      worker: session.worker,
      attempts: session.attempts,
      startedAt: new Date(wallMs - (nowMs - session.startedMs)).toISOString(),
      ageMs: Math.round(nowMs - session.startedMs),
      idleMs: Math.round(Math.max(0, nowMs - session.lastMs)),
      connectMs: session.connectMs < 0 ? undefined : Math.round(session.connectMs * 1000) / 1000,
      bytesFromClient: session.bytesFromClient,
      bytesFromEndpoint: session.bytesFromEndpoint,
      datagramsFromClient: datagrams ? session.datagramsFromClient : undefined,
      datagramsFromEndpoint: datagrams ? session.datagramsFromEndpoint : undefined,
    }
  }
}
