import type { Ledger } from '../balancer/ledger.ts'
import type { Clock, Timer } from '../lib/clock.ts'
import { showWords } from '../model/address.ts'
import { type Ip, type Port, type Protocol, type ServicePortKey, showAddress } from '../model/keys.ts'
import { SESSION_ENDS, type SessionEnd, type SessionRecord } from '../model/session.ts'
import type { SharedState } from '../model/shared-layout.ts'
import type { Route } from '../model/snapshot.ts'
import { type RawRecord, RecordReader } from '../observe/records.ts'

/** How often ended sessions are read from the rings; a ring holds far more than end in this time. */
const DRAIN_EVERY_MS = 100
/** The same where nobody wants to be told: a ring must not be full before. */
const PASS_EVERY_MS = 250
/** Listeners remembered after they were closed, for sessions that outlive them. */
const MOST_CLOSED = 10_000

/** What a listener's number stands for. */
export interface ListenerName {
  /** `10.96.0.10:80`. */
  readonly local: string
  readonly service: ServicePortKey
  readonly protocol: Protocol
  readonly scheduler: string
}

/** Who is told of ended sessions. */
export interface SessionTaker {
  /** Undefined: they are passed over. */
  readonly take: ((record: SessionRecord) => void) | undefined
  /** Of which it is told, for naming a session costs more than asking; undefined: of all. */
  readonly tellsOf?: ((id: number, end: SessionEnd) => boolean) | undefined
}

/** Reads ended sessions from every thread's ring and gives them their names back. */
export class SessionLog implements Disposable {
  readonly #ledger: Ledger
  readonly #readers: readonly RecordReader[]
  readonly #clock: Clock
  readonly #take: SessionTaker['take']
  readonly #tellsOf: SessionTaker['tellsOf']
  readonly #afterDrain: () => void
  readonly #names = new Map<number, ListenerName>()
  readonly #closed: number[] = []
  #timer: Timer | undefined

  /** `afterDrain` runs when all rings are empty, before anything else can be written to them. */
  constructor(shared: SharedState, ledger: Ledger, clock: Clock, { take, tellsOf }: SessionTaker, afterDrain: () => void) {
    this.#ledger = ledger
    this.#readers = shared.records.map((buffer) => new RecordReader(buffer))
    this.#clock = clock
    this.#take = take
    this.#tellsOf = tellsOf
    this.#afterDrain = afterDrain
    this.#arm()
  }

  opened(listener: number, route: Route): void {
    this.#names.set(listener, {
      local: showAddress(route.address),
      service: route.port.key,
      protocol: route.port.protocol,
      scheduler: route.service.options.scheduler,
    })
  }

  /** The listeners that are known, those closed a while ago among them. */
  get names(): ReadonlyMap<number, ListenerName> {
    return this.#names
  }

  closed(listener: number): void {
    this.#closed.push(listener)
    if (this.#closed.length > MOST_CLOSED) this.#names.delete(this.#closed.shift() as number)
  }

  /** Records lost because nobody read them in time. */
  dropped(): number {
    return this.#readers.reduce((sum, reader) => sum + reader.dropped(), 0)
  }

  drain(): void {
    const take = this.#take
    const tellsOf = this.#tellsOf ?? everyone
    for (const reader of this.#readers) {
      if (take) reader.drain((raw) => tellsOf(raw.id, endOf(raw)) && take(this.#named(raw)))
      else reader.skip()
    }
    this.#afterDrain()
  }

  [Symbol.dispose](): void {
    this.#timer?.[Symbol.dispose]()
    this.#timer = undefined
    this.drain()
  }

  #arm(): void {
    this.#timer = this.#clock.after(this.#take ? DRAIN_EVERY_MS : PASS_EVERY_MS, () => {
      this.drain()
      this.#arm()
    })
  }

  #named(raw: RawRecord): SessionRecord {
    const listener = this.#names.get(raw.listener)
    // The listener may have gone over to another Service since the endpoint was chosen.
    const endpoint = raw.lease < 0 ? undefined : this.#ledger.endpointName(raw.lease)
    const ip: Ip = showWords(raw)
    return {
      id: raw.id,
      startedAtMs: raw.startedAtMs,
      durationMs: raw.durationMs,
      connectMs: raw.connectMs < 0 ? undefined : raw.connectMs,
      client: showAddress({ ip, port: raw.port as Port }),
      local: listener?.local ?? '',
      service: endpoint?.service ?? (raw.serviceSlot < 0 ? undefined : this.#ledger.serviceName(raw.serviceSlot)) ?? '',
      endpoint: endpoint?.key,
      protocol: listener?.protocol ?? 'TCP',
      scheduler: listener?.scheduler ?? '',
      attempts: raw.attempts,
      bytesFromClient: raw.bytesFromClient,
      bytesFromEndpoint: raw.bytesFromEndpoint,
      datagramsFromClient: raw.datagramsFromClient,
      datagramsFromEndpoint: raw.datagramsFromEndpoint,
      end: endOf(raw),
    }
  }
}

const everyone = () => true

function endOf({ end }: RawRecord): SessionEnd {
  return SESSION_ENDS[end] as SessionEnd
}
