import type { RouteDelta, RouteEndpoint } from '../model/delta.ts'
import type { Cidr, ListenerKey, Protocol, SocketAddress } from '../model/keys.ts'
import type { Prelude } from '../model/proxy-header.ts'
import type { ClientAddress, SessionEnd, SessionFacts, Tried } from '../model/session.ts'
import type { WorkerPulse } from '../model/worker-pulse.ts'
import type { SourcePool } from './source-pool.ts'

/** What becomes of one new session, or of one more attempt of it. */
export type Decision =
  | {
      readonly do: 'forward'
      readonly lease: number
      readonly endpoint: RouteEndpoint
      readonly connectMs: number
      /** A header to send ahead of everything the client sends; undefined: none. What the first attempt is told holds for all. */
      readonly prelude: Prelude | undefined
      /** Whether the endpoint is to see the client's own address; only engines with `transparent-source` are asked for it. */
      readonly transparent: boolean
      /** Addresses to connect from where it is not; undefined: the system chooses. */
      readonly sources: SourcePool | undefined
    }
  | { readonly do: 'refuse'; readonly end: SessionEnd }
  /** The client is left without an answer for so long, and then refused. Only TCP. */
  | { readonly do: 'drop'; readonly end: SessionEnd; readonly forMs: number }
  /** The client is left waiting for so long; then `delayed` decides. Only TCP. */
  | { readonly do: 'delay'; readonly forMs: number }
  /** First the client has to send a PROXY header; then `introduced` decides. */
  | { readonly do: 'hear'; readonly withinMs: number }
  | Wait

/** The session has to wait until it is asked for again: by `wait` it begins to. TCP only. */
export interface Wait {
  readonly do: 'wait'
  readonly line: number
  /** Sessions that may wait there. */
  readonly most: number
  readonly withinMs: number
  /** How it ends when the time is over. */
  readonly end: 'queue-timeout' | 'no-endpoint'
}

/** How long a session may be quiet, per listener, as its route says now. */
export interface SessionTimeouts {
  readonly idleMs: number
  readonly halfCloseMs: number
  readonly udpIdleMs: number
  readonly udpResponses: number | undefined
  /** How long a session may last at most; what counts is `lifeEndMs`. */
  readonly maxSessionMs: number | undefined
  /** Only engines with `user-timeout` keep it, for sessions that begin from then on. */
  readonly userTimeoutMs: number | undefined
}

/** All policy, no I/O: built from published routes in the thread where the sessions live. Every call is synchronous
 *  and returns before a byte moves. A lease is the endpoint's slot number: it fits a typed array, any thread may end
 *  it, and it is ended exactly once, by `connectFailed` or by `ended`. */
export interface SessionPolicy {
  /** Takes new routes; sessions already running are not touched. Returns the listeners with a shorter timeout: their
   *  sessions may be due sooner than was noted. */
  apply(delta: RouteDelta): readonly number[]
  /** Which endpoint gets this session. The first call for a session, with nothing tried, begins it, whatever the
   *  answer; call again with what was tried after an attempt failed. What began is ended once by `ended`. */
  decide(listener: number, client: ClientAddress, tried: readonly Tried[]): Decision
  /** The first decision for a session that `decide` wanted to hear: its client sent a PROXY header, and is the one that the
   *  header names, or itself. */
  introduced(listener: number, client: ClientAddress): Decision
  /** The next decision for a session that had to wait, and has. */
  delayed(listener: number, client: ClientAddress): Decision
  /** What the last decision counted the client by; {@link NO_TICKET} if by nothing. Whoever takes it puts it into the
   *  session's facts. One that is not taken before the next decision is void. */
  takeTicket(): number
  /** Another decision for a session that waits, after `waiting.next` named it. Unless that is to wait, it waits no more. */
  decideAgain(waiter: number, listener: number, client: ClientAddress, tried: readonly Tried[]): Decision
  /** The sessions of this thread that wait, by numbers that the engine gives them. */
  readonly waiting: WaitingSessions
  /** Ends the lease of an attempt that did not connect. */
  connectFailed(listener: number, client: ClientAddress, tried: Tried): void
  /** The endpoint is there: an attempt has connected, or datagrams came back. */
  connected(lease: number): void
  /** Ends the session's lease and its ticket, if it holds them, counts it and writes its record. */
  ended(session: SessionFacts): void
  /** A connected session goes to another thread, with its lease. Returns the Service slot that it counts for, which the
   *  other thread's policy must be told. */
  released(listener: number): number
  /** A connected session came from another thread, where it counted for this Service slot. It is ended once by `ended`,
   *  here, as if it had begun here. */
  adopted(listener: number, serviceSlot: number): void
  /** Counts a session that was turned away before it could ask, and writes its record. */
  refused(session: SessionFacts): void
  /** Whether new sessions of this client on this listener may still go to this endpoint. */
  serves(listener: number, lease: number, client: ClientAddress): boolean
  /** Undefined once the route is gone; sessions then keep the last values they saw. */
  timeouts(listener: number): SessionTimeouts | undefined
}

/** Sessions that wait in one thread. Other calls of the policy may make it restless. */
export interface WaitingSessions {
  /** Begins to wait, as it was told. False: too many wait already, the session ends `over-limit`. */
  join(waiter: number, listener: number, told: Wait): boolean
  /** It ends while it waits; nothing happens where it does not. */
  leave(waiter: number): void
  /** Whether `next` or `takeWake` may have something. */
  readonly restless: boolean
  /** A session to be decided about again; -1: none. */
  next(): number
  /** The row of a thread to be woken, for it to call `heed`; -1: none. */
  takeWake(): number
  /** Another thread has told something. */
  heed(): void
}

/** One socket to open. Plain data: it can be cloned into a worker. */
export interface ListenerSpec {
  readonly id: number
  readonly key: ListenerKey
  readonly protocol: Protocol
  readonly address: SocketAddress
  /** Bind although no interface has the address; only engines with `free-bind` do. */
  readonly freeBind: boolean
}

export type ListenerStatus =
  | { readonly state: 'opening' }
  | { readonly state: 'listening'; readonly address: SocketAddress }
  /** No endpoint: clients are refused. */
  | { readonly state: 'parked' }
  | { readonly state: 'draining' }
  | { readonly state: 'failed'; readonly code: string; readonly message: string; readonly retryAtMs: number }

/** What an engine can keep to the letter; what it cannot is documented in `docs/engines.md`. */
export type Capability =
  /** A reset is passed on as a reset after all earlier bytes were delivered, and noticed when it comes, always. */
  | 'exact-reset'
  /** At the descriptor limit it stops accepting, instead of accepting and resetting. */
  | 'pause-accept'
  /** A parked listener keeps its address. */
  | 'keep-parked-address'
  /** Binds addresses that no interface has. */
  | 'free-bind'
  /** Connects to endpoints from the client's own address. */
  | 'transparent-source'
  /** A side that does not acknowledge for long enough is given up (TCP_USER_TIMEOUT). */
  | 'user-timeout'

/** Which sessions; every given field must match. Plain data. */
export interface SessionFilter {
  /** Numbers of sessions. */
  readonly ids?: ReadonlySet<number>
  readonly listeners?: readonly number[]
  readonly leases?: readonly number[]
  readonly protocol?: Protocol
}

/** Which running sessions to tell of; every given field must match. Times are the engine's clock's. */
export interface SessionQuery extends SessionFilter {
  /** Their clients are in one of these ranges. */
  readonly clients?: readonly Cidr[]
  readonly startedBeforeMs?: number
  /** Nothing has moved since. */
  readonly quietSinceMs?: number
  /** Listeners whose sessions without an endpoint match `leases`, too. */
  readonly waitingAt?: readonly number[]
  /** Both ways together. */
  readonly leastBytes?: number
}

/** A session that runs, as it was at one moment. */
export interface RunningSession extends Omit<SessionFacts, 'end' | 'endedMs' | 'ticket'> {
  readonly protocol: Protocol
  /** The thread that has it, counted from 0. */
  readonly worker: number
  /** `connecting`: no endpoint has answered yet. `closing`: a side has ended or broken. */
  readonly state: 'connecting' | 'open' | 'closing'
  /** When something moved last, in milliseconds of the engine's clock. */
  readonly lastMs: number
}

/** What a running session has moved so far, none of which is counted before it ends. */
export type MovedSoFar = Pick<
  SessionFacts,
  'lease' | 'listener' | 'connectMs' | 'bytesFromClient' | 'bytesFromEndpoint' | 'datagramsFromClient' | 'datagramsFromEndpoint'
>

/** Running sessions, and how many more there would have been. */
export interface SessionListing {
  readonly sessions: readonly RunningSession[]
  /** All that match, those that are not listed among them. */
  readonly matched: number
}

/** A thread that runs sessions. */
export interface WorkerReading {
  readonly sessions: number
  /** False: it died, and another takes its place soon. */
  readonly running: boolean
}

/** Which sessions are followed: those at these listeners, of these clients where any are given. Plain data. */
export interface TraceFilter {
  readonly listeners: readonly number[]
  readonly clients: readonly Cidr[]
}

/** What a thread that runs sessions is told of a trace; undefined ends it. Plain data. */
export interface TraceOrder {
  /** A session is followed if one of them matches. */
  readonly filters: readonly TraceFilter[]
  /** One ring a thread. */
  readonly rings: readonly SharedArrayBuffer[]
}

/** All I/O, no policy. Nothing given to an engine's listeners is a function. */
export interface Engine extends AsyncDisposable {
  readonly name: 'node' | 'native'
  readonly protocols: ReadonlySet<Protocol>
  /** Why SCTP is not among them; undefined: it is. */
  readonly sctpRefusal: string | undefined
  readonly can: ReadonlySet<Capability>
  /** Opens the socket of `spec`, or opens a parked one again. Never rejects for a reason of the system's: a bind that
   *  fails is a status. `retryAtMs` in it is 0; the caller decides when to retry. */
  open(spec: ListenerSpec): Promise<ListenerStatus>
  /** Refuses new clients of a listener that has no endpoint; running TCP sessions go on, UDP sessions end. */
  park(id: number): Promise<void>
  /** Closes a listener; resolves when its address is free. Its TCP sessions go on (`keep`) or are cut; its UDP sessions
   *  end, for their replies have no address left to come from. */
  close(id: number, sessions: 'keep' | 'cut'): Promise<void>
  /** Takes no new session anywhere, but for the connections that the kernel already accepted for us; resolves when the
   *  last session has ended. UDP sessions are served until they fall silent. */
  drain(): Promise<void>
  /** Takes new routes. In force when it returns on the node engine, when acknowledged on the native one. */
  publish(delta: RouteDelta): Promise<void>
  /** Ends sessions; returns how many. */
  cut(filter: SessionFilter, end: SessionEnd): Promise<number>
  /** Tells of running sessions, up to `most`, in no order. Holds up the sessions of no thread for more than a moment; one
   *  that begins or ends meanwhile may be told of or not. */
  list(query: SessionQuery, most: number): Promise<SessionListing>
  /** Shows `look` what every running session has moved so far, at once; the object is the same each time. */
  tally(look: (session: MovedSoFar) => void): void
  /** Follows sessions as ordered from now on, in place of what was ordered before; undefined: none. In force in every thread
   *  when it returns. */
  trace(order: TraceOrder | undefined): Promise<void>
  /** Sessions that run now. */
  sessions(): number
  /** The threads that run them. */
  workers(): readonly WorkerReading[]
  /** How busy they are, in the same order. Always answers, within about a second. */
  pulse(): Promise<readonly WorkerPulse[]>
}
