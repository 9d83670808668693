import type { ClientAddress, SessionEnd } from '../../model/session.ts'

/** Sessions that are taken out of a worker at once. It bounds how long none of them is served, and what they hold: each may
 *  have a copy buffer and a pipe full both ways. */
export const MOST_MOVED_AT_ONCE = 32

/** What is known of a side of a session, but for what its socket tells by itself. */
export type SideState =
  /** Everything that it will ever send was read. */
  | 'ended'
  /** It was told that nothing more will come. */
  | 'shut'
  /** Writing to it failed. */
  | 'unwritable'
  /** What was sent to it was not acknowledged in time. */
  | 'timed-out'
  /** Its connection broke; what it sent before may still be read. */
  | 'aborted'
  /** It is reset once it has everything. */
  | 'resetting'
  /** Urgent data came from it. */
  | 'urgent'
  /** Something was sent to it. */
  | 'sent-once'
  /** Small writes to it go out at once. */
  | 'undelayed'

/** One side of a session: its client or its endpoint. */
export interface SideSnapshot {
  /** Its socket; undefined when that is closed already. */
  readonly fd: number | undefined
  readonly address: ClientAddress
  /** What was read from it. */
  readonly bytes: number
  readonly states: readonly SideState[]
  /** What was read from the other side, and this one does not have yet. */
  readonly waiting: Uint8Array | undefined
}

/** A connected TCP session between two turns, all of it: whoever has this and its descriptors can go on with it. Values
 *  only, names for what is not a number, times of the machine's monotonic clock: it can be cloned, and written down for
 *  another process, which then gets other descriptors. */
export interface SessionSnapshot {
  readonly id: number
  readonly listener: number
  /** The Service port that counts it. */
  readonly serviceSlot: number
  /** The endpoint's slot. */
  readonly lease: number
  /** What its client is counted by. */
  readonly ticket: number
  readonly attempts: number
  readonly startedMs: number
  readonly connectMs: number
  /** When the last byte moved, and which way: `client` if that had sent it. */
  readonly lastMs: number
  readonly lastFrom: 'client' | 'endpoint'
  readonly idleMs: number
  readonly halfCloseMs: number
  /** Infinity: it may last for ever. */
  readonly lifeEndMs: number
  /** Whether the system asks both sides from time to time if they live. */
  readonly keepAlive: boolean
  /** The end that came first, once a side has ended. */
  readonly end: SessionEnd | undefined
  readonly client: SideSnapshot
  readonly endpoint: SideSnapshot
}

/** Sessions that a worker took out of its loop. They stand in its estate until main takes them over. */
export interface GivenSessions {
  readonly sessions: readonly SessionSnapshot[]
  /** Where each stands in the worker's table. */
  readonly places: readonly number[]
  /** Where to go on looking; -1: every place was looked at. */
  readonly next: number
}
