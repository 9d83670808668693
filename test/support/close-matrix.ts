import type { SessionEnd } from '../../src/model/session.ts'
import { docRow } from './doc-rows.ts'

/** Who ends the session, or one direction of it. */
export type Actor = 'client' | 'endpoint'

/** When it does: while the endpoint is being reached; when nothing is on its way; when bytes both ways are, which neither
 *  side has read. */
export type State = 'connecting' | 'idle' | 'flowing'

export type Act =
  /** Closes its socket, having read all that it was sent. */
  | 'closes'
  /** Says that it will send no more, and reads on; the other side answers and closes. */
  | 'half-closes'
  /** The same, but the other side never says another word. */
  | 'half-closes, and the other side stays silent'
  /** RST. */
  | 'resets'
  /** Closes its socket with bytes unread: the system makes that a reset. */
  | 'closes with bytes unread'
  /** Does nothing that it should. */
  | 'falls silent'

/** What a side gets of the other: how much of what that had said before, and what then. */
export interface Seen {
  readonly bytes: 'everything' | 'a part' | 'nothing'
  readonly after: 'FIN' | 'RST' | 'no connection'
}

/** One thing that can happen, and what comes of it. */
export interface CloseCase {
  readonly actor: Actor
  readonly state: State
  readonly act: Act
  /** What the other side sees. */
  readonly other: Seen
  /** What the actor still sees; undefined: it has left. */
  readonly itself?: Seen
  readonly end: SessionEnd
  /** What comes of it on an engine without `exact-reset`, where that can do no better. */
  readonly inexact?: { readonly other?: Seen; readonly itself?: Seen; readonly end?: SessionEnd }
}

const ALL_FIN: Seen = { bytes: 'everything', after: 'FIN' }
const ALL_RST: Seen = { bytes: 'everything', after: 'RST' }
const PART_RST: Seen = { bytes: 'a part', after: 'RST' }
const NOTHING_FIN: Seen = { bytes: 'nothing', after: 'FIN' }
const NOTHING_RST: Seen = { bytes: 'nothing', after: 'RST' }
const NO_CONNECTION: Seen = { bytes: 'nothing', after: 'no connection' }
/** It is not known whether the bytes have left, so that a reset could take them back. */
const AS_FIN = { other: ALL_FIN }

/** Every way in which a session can be made to end by a side, and what comes of it. */
export const CLOSE_MATRIX: readonly CloseCase[] = [
  { actor: 'client', state: 'connecting', act: 'closes', other: ALL_FIN, end: 'client-closed' },
  { actor: 'client', state: 'connecting', act: 'half-closes', other: ALL_FIN, itself: ALL_FIN, end: 'client-closed' },
  {
    actor: 'client',
    state: 'connecting',
    act: 'half-closes, and the other side stays silent',
    other: ALL_FIN,
    itself: NOTHING_RST,
    end: 'half-close-timeout',
  },
  {
    actor: 'client',
    state: 'connecting',
    act: 'resets',
    other: NO_CONNECTION,
    end: 'client-reset',
    inexact: AS_FIN,
  },
  { actor: 'client', state: 'connecting', act: 'falls silent', other: NO_CONNECTION, itself: NOTHING_RST, end: 'bad-header' },
  { actor: 'endpoint', state: 'connecting', act: 'closes', other: NOTHING_FIN, end: 'endpoint-closed' },
  { actor: 'endpoint', state: 'connecting', act: 'half-closes', other: NOTHING_FIN, itself: ALL_FIN, end: 'endpoint-closed' },
  {
    actor: 'endpoint',
    state: 'connecting',
    act: 'half-closes, and the other side stays silent',
    other: NOTHING_FIN,
    itself: ALL_RST,
    end: 'half-close-timeout',
  },
  { actor: 'endpoint', state: 'connecting', act: 'resets', other: NOTHING_RST, end: 'connect-refused' },
  { actor: 'endpoint', state: 'connecting', act: 'closes with bytes unread', other: NOTHING_RST, end: 'endpoint-reset' },
  { actor: 'endpoint', state: 'connecting', act: 'falls silent', other: NOTHING_RST, end: 'connect-timeout' },
  ...connected('client', 'idle'),
  ...connected('endpoint', 'idle'),
  ...connected('client', 'flowing'),
  ...connected('endpoint', 'flowing'),
]

/** Once connected, both sides are alike. */
function connected(actor: Actor, state: 'idle' | 'flowing'): CloseCase[] {
  // What its reader has not taken when time is up is not delivered.
  const timedOut = state === 'idle' ? ALL_RST : PART_RST
  // In flight, it refuses what still comes for it.
  const closing: CloseCase =
    state === 'idle'
      ? { actor, state, act: 'closes', other: ALL_FIN, end: `${actor}-closed` }
      : { actor, state, act: 'closes', other: ALL_FIN, end: `${actor}-reset`, inexact: { end: `${actor}-closed` } }
  return [
    closing,
    { actor, state, act: 'half-closes', other: ALL_FIN, itself: ALL_FIN, end: `${actor}-closed` },
    {
      actor,
      state,
      act: 'half-closes, and the other side stays silent',
      other: ALL_FIN,
      itself: ALL_RST,
      end: 'half-close-timeout',
    },
    { actor, state, act: 'resets', other: ALL_RST, end: `${actor}-reset`, inexact: AS_FIN },
    { actor, state, act: 'closes with bytes unread', other: ALL_RST, end: `${actor}-reset`, inexact: AS_FIN },
    { actor, state, act: 'falls silent', other: timedOut, itself: timedOut, end: `${actor}-idle` },
  ]
}

const STATES: { readonly [S in State]: string } = {
  connecting: 'connecting',
  idle: 'idle',
  flowing: 'in flight',
}

/** The rows of `docs/closing.md`. */
export function closingRows(): string[] {
  const show = (seen: Seen | undefined) => (seen ? `${seen.bytes}, ${seen.after}`.replace('nothing, no', 'no') : '')
  return CLOSE_MATRIX.map(({ actor, state, act, other, itself, end, inexact }) => {
    const differently = inexact
      ? [show(inexact.other), show(inexact.itself), inexact.end ? `\`${inexact.end}\`` : ''].filter((text) => text !== '')
      : []
    return docRow([STATES[state], actor, act, show(other), show(itself), `\`${end}\``, differently.join('; ')])
  })
}
