import type { PublishedRoute, RouteDelta } from '../../model/delta.ts'
import type { Protocol, SocketAddress } from '../../model/keys.ts'
import type { SessionEnd } from '../../model/session.ts'
import type { SharedState } from '../../model/shared-layout.ts'
import type { SessionFilter, TraceOrder } from '../listener.ts'
import type { Estate } from './estate.ts'
import type { GivenSessions, SessionSnapshot } from './session-snapshot.ts'

/** What main asks of a worker. Every request is answered by its ticket. */
export type WorkerRequest =
  | { readonly do: 'publish'; readonly ticket: number; readonly delta: RouteDelta }
  /** Accept on this descriptor, which main owns. */
  | {
      readonly do: 'listen'
      readonly ticket: number
      readonly id: number
      readonly protocol: Protocol
      readonly fd: number
      readonly shared: boolean
      /** UDP: takes no new clients. */
      readonly draining: boolean
    }
  /** Let go of a listener's descriptor. `keep`: its TCP sessions go on. */
  | {
      readonly do: 'leave'
      readonly ticket: number
      readonly id: number
      readonly sessions: 'keep' | 'cut'
      readonly end: SessionEnd
    }
  /** Take all SCTP of the process, by these raw sockets, which main owns; -1: there is none. */
  | {
      readonly do: 'take-sctp'
      readonly ticket: number
      readonly fd4: number
      readonly fd6: number
      readonly routes: readonly PublishedRoute[]
    }
  /** Let SCTP clients come to an address. */
  | { readonly do: 'open-sctp'; readonly ticket: number; readonly id: number; readonly address: SocketAddress }
  | { readonly do: 'cut'; readonly ticket: number; readonly filter: SessionFilter; readonly end: SessionEnd }
  /** Take what the accept queues hold, then nothing new. */
  | { readonly do: 'drain'; readonly ticket: number }
  /** Take connected TCP sessions out of the loop, looking at the table from a place on. */
  | {
      readonly do: 'give'
      readonly ticket: number
      readonly filter: SessionFilter
      readonly from: number
      readonly most: number
    }
  /** Main has taken over what stood in these places. */
  | { readonly do: 'forget'; readonly ticket: number; readonly places: readonly number[] }
  /** Go on with sessions of another worker. */
  | { readonly do: 'adopt'; readonly ticket: number; readonly sessions: readonly SessionSnapshot[] }
  | { readonly do: 'trace'; readonly ticket: number; readonly order: TraceOrder | undefined }
  /** Answered at once, with the number that the kernel gave the thread as the count. */
  | { readonly do: 'pulse'; readonly ticket: number }
  /** Answered when the last session has ended. */
  | { readonly do: 'empty'; readonly ticket: number }

export interface WorkerAnswer {
  readonly ticket: number
  /** Sessions that a cut ended. */
  readonly count: number
  /** Answers a `give`. */
  readonly given?: GivenSessions
}

/** What a worker says unasked: an error of ours ended one session. */
export interface WorkerFault {
  readonly ticket: 0
  readonly fault: string
}

/** What a worker is started with. */
export interface WorkerStart {
  readonly row: number
  readonly shared: SharedState
  readonly estate: Estate
  /** An eventfd that wakes the worker. Main's. */
  readonly wakeFd: number
  /** An eventfd of each row, with which workers wake each other. Main's, for as long as the engine lives. */
  readonly bells: readonly number[]
  /** The first part of its session numbers, so that a worker that takes another's place repeats none. */
  readonly idBase: number
}
