import type { Socket } from 'node:net'
import { errnoOf } from '../../lib/errors.ts'
import { fillClientAddress } from '../../model/address.ts'
import type { ClientAddress, SessionEnd } from '../../model/session.ts'

const NOTHING = new Uint8Array(0)
/** Memory of chunks at least so long is given back at once. */
const LONG_CHUNK_BYTES = 8 * 1024
/** A side whose other side broke may send this much more before it is reset: what was on its way, and then some. */
const MOST_DISCARDED_BYTES = 1024 * 1024
const KEEP_ALIVE_MS = 60_000
/** Older Nodes know neither this nor the count: there it is ten probes, one a second. */
const KEEP_ALIVE_EVERY_MS = 15_000
const KEEP_ALIVE_PROBES = 4
/** A dead peer found by keep-alive was idle, not resetting. */
const IDLE_END: { readonly [End in SessionEnd]?: SessionEnd } = {
  'client-reset': 'client-idle',
  'endpoint-reset': 'endpoint-idle',
}

/** What a socket tells of one of its ends, which it may not know any more. */
export function socketAddress(ip = '0.0.0.0', port = 0): ClientAddress {
  const address = { word0: 0, word1: 0, word2: 0, word3: 0, port: 0 }
  fillClientAddress(ip, port, address)
  return address
}

/** Lets go of a socket: whatever it still has to say concerns nobody. */
export function abandon(socket: Socket): void {
  socket.removeAllListeners()
  socket.on('error', () => {})
  socket.destroy()
}

/** Has the system ask a silent peer from time to time whether it lives. */
export function keepAlive(socket: Socket): void {
  socket.setKeepAlive(true, KEEP_ALIVE_MS, KEEP_ALIVE_EVERY_MS, KEEP_ALIVE_PROBES)
}

/** How a session ends whose side, by which it otherwise ends as `end`, broke with this error. */
export function brokenEnd(error: Error, end: SessionEnd): SessionEnd {
  return errnoOf(error) === 'ETIMEDOUT' ? (IDLE_END[end] ?? end) : end
}

/** Resets a connected socket. One that is just being shut down cannot be reset until that is done. */
export function reset(socket: Socket): void {
  if (socket.destroyed) return
  if (socket.writableEnded && !socket.writableFinished) socket.once('finish', () => socket.resetAndDestroy())
  else socket.resetAndDestroy()
}

/** Closes our half once everything before it is in the system's hands. Not earlier: a socket that still has bytes to
 *  write when it is ended can be reset no more, and what was cut short would look like a whole. */
export function finish(socket: Socket): void {
  if (socket.writableLength > 0) socket.write(NOTHING, () => socket.end())
  // Nothing will come either: closing says the same as ending first, in one system call.
  else if (socket.readableEnded) socket.destroy()
  else socket.end()
}

/** Gives back the memory of a chunk that the system has taken whole. Left to the garbage collector it costs more than
 *  everything else that is done with a byte. */
export function release(chunk: Buffer): void {
  const memory = chunk.buffer as ArrayBuffer
  if (chunk.length >= LONG_CHUNK_BYTES && memory.byteLength === chunk.length) memory.transfer(0)
}

/** Throws away what a side sends whose other side broke, and resets it when that is too much. Returns how much it was so far. */
export function discard(from: Socket, chunk: Buffer, discardedBytes: number): number {
  if (discardedBytes > MOST_DISCARDED_BYTES) return discardedBytes
  const bytes = discardedBytes + chunk.length
  if (bytes > MOST_DISCARDED_BYTES) reset(from)
  return bytes
}
