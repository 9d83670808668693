import type { UdpSession } from './udp-session.ts'

/** All UDP sessions of an engine in the order of last use, so that the longest quiet one is found at once. */
export class UdpOrder {
  #oldest: UdpSession | undefined
  #newest: UdpSession | undefined

  /** Makes `session` the most recently used. */
  used(session: UdpSession): void {
    if (session === this.#newest) return
    this.remove(session)
    session.older = this.#newest
    if (this.#newest) this.#newest.newer = session
    else this.#oldest = session
    this.#newest = session
  }

  remove(session: UdpSession): void {
    const { older, newer } = session
    if (older) older.newer = newer
    else if (this.#oldest === session) this.#oldest = newer
    if (newer) newer.older = older
    else if (this.#newest === session) this.#newest = older
    session.older = undefined
    session.newer = undefined
  }

  get oldest(): UdpSession | undefined {
    return this.#oldest
  }
}
