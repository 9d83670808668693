import type { Socket } from 'node:net'
import type { Clock, Timer } from '../../lib/clock.ts'
import type { SessionEnd } from '../../model/session.ts'
import type { SessionPolicy, Wait } from '../listener.ts'

/** What is kept of what a client says while it waits; then it is not listened to any more, and not missed if it leaves. */
const MOST_KEPT_BYTES = 64 * 1024

/** A session that waits. */
export interface WaitingSession {
  readonly id: number
  readonly listener: number
  /** It may have its turn: asks the policy about it. */
  askAgain(): void
  /** It has waited long enough, there are too many who wait, or its client has left. */
  gaveUp(end: SessionEnd): void
}

/** TCP sessions that wait for a place, or for a first endpoint, with their clients' sockets, which are paused before and after.
 *  What a client says is kept for its endpoint: whether it leaves can only be seen by reading. */
export class WaitingRoom {
  readonly #policy: SessionPolicy
  readonly #clock: Clock
  readonly #places = new Map<number, Place>()
  #scheduled = false

  constructor(policy: SessionPolicy, clock: Clock) {
    this.#policy = policy
    this.#clock = clock
  }

  /** Begins to wait as told, or goes on to. */
  begin(session: WaitingSession, socket: Socket, told: Wait): void {
    const known = this.#places.get(session.id)
    if (known) known.wait(told)
    else if (this.#policy.waiting.join(session.id, session.listener, told)) {
      this.#places.set(session.id, new Place(session, socket, this.#clock, told))
    } else session.gaveUp('over-limit')
    this.stir()
  }

  /** Waits no more: its socket is paused, and still has all that its client said. */
  end(session: WaitingSession): void {
    const place = this.#places.get(session.id)
    if (!place) return
    this.#places.delete(session.id)
    this.#policy.waiting.leave(session.id)
    place[Symbol.dispose]()
    this.stir()
  }

  /** Gives those whose turn it may be theirs, soon; call it when a session ended, an attempt failed or routes have changed. */
  stir(): void {
    if (this.#scheduled || !this.#policy.waiting.restless) return
    this.#scheduled = true
    setImmediate(() => {
      this.#scheduled = false
      for (let id = this.#policy.waiting.next(); id >= 0; id = this.#policy.waiting.next()) {
        this.#places.get(id)?.session.askAgain()
      }
    })
  }
}

/** Where one client waits. */
class Place implements Disposable {
  readonly session: WaitingSession
  readonly #socket: Socket
  readonly #clock: Clock
  readonly #kept: Buffer[] = []
  #keptBytes = 0
  #sinceMs: number
  #end: Wait['end']
  #deadline: Timer | undefined

  constructor(session: WaitingSession, socket: Socket, clock: Clock, told: Wait) {
    this.session = session
    this.#socket = socket
    this.#clock = clock
    this.#sinceMs = clock.now()
    this.#end = told.end
    socket.on('data', this.#keep)
    socket.on('end', this.#left)
    socket.resume()
    this.wait(told)
  }

  /** Until so long after it began to wait for this. */
  wait({ end, withinMs }: Wait): void {
    if (end !== this.#end) this.#sinceMs = this.#clock.now()
    this.#end = end
    this.#deadline?.[Symbol.dispose]()
    this.#deadline = this.#clock.after(Math.max(0, this.#sinceMs + withinMs - this.#clock.now()), () => this.session.gaveUp(end))
  }

  [Symbol.dispose](): void {
    this.#deadline?.[Symbol.dispose]()
    this.#socket.off('data', this.#keep)
    this.#socket.off('end', this.#left)
    this.#socket.pause()
    if (this.#keptBytes > 0 && !this.#socket.readableEnded && !this.#socket.destroyed)
      this.#socket.unshift(Buffer.concat(this.#kept))
  }

  readonly #keep = (chunk: Buffer): void => {
    this.#kept.push(chunk)
    this.#keptBytes += chunk.length
    if (this.#keptBytes >= MOST_KEPT_BYTES) this.#socket.pause()
  }

  readonly #left = (): void => this.session.gaveUp('client-closed')
}
