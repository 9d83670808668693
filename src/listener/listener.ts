import type { RouteDelta, RouteEndpoint } from '../model/delta.ts'
import type { ListenerKey, Protocol, SocketAddress } from '../model/keys.ts'
import type { Prelude } from '../model/proxy-header.ts'
import type { ClientAddress, SessionEnd, SessionFacts, Tried } from '../model/session.ts'

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
    }
  | { readonly do: 'refuse'; readonly end: SessionEnd }
  /** First the client has to send a PROXY header; then `introduced` decides. */
  | { readonly do: 'hear'; readonly withinMs: number }

/** How long a session may be quiet, per listener, as its route says now. */
export interface SessionTimeouts {
  readonly idleMs: number
  readonly halfCloseMs: number
  readonly udpIdleMs: number
  readonly udpResponses: number | undefined
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
  /** Ends the lease of an attempt that did not connect. */
  connectFailed(listener: number, client: ClientAddress, tried: Tried): void
  /** Ends the session's lease, if it holds one, counts it and writes its record. */
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
  /** A reset is passed on as a reset after all earlier bytes were delivered, always. */
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
  readonly listeners?: readonly number[]
  readonly leases?: readonly number[]
  readonly protocol?: Protocol
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
  /** Sessions that run now. */
  sessions(): number
}
