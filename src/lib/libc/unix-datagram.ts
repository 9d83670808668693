import { type Arena, openArena } from './arena.ts'
import { AF_UNIX, MSG_DONTWAIT, MSG_NOSIGNAL, SOCK_CLOEXEC, SOCK_DGRAM, SOCK_NONBLOCK } from './constants.ts'
import { IOVEC, MSGHDR, SOCKADDR_UN } from './layout.ts'
import type { Libc } from './load.ts'
import { type FailedCall, failureOf, type Outcome } from './outcome.ts'

/** More is cut off. */
const MOST_BYTES = 1024

/** Sends texts to one Unix datagram socket. Node has none of this kind. */
export interface UnixDatagrams extends Disposable {
  /** Sends one datagram; never waits. What a full receiver does not take is lost, and said (`EAGAIN`). */
  send(text: string): FailedCall | undefined
}

/** Opens a sender to `path`, or to the abstract name behind an `@`. Nothing is sent, and nobody need be there yet. */
export function openUnixDatagrams(libc: Libc, path: string): Outcome<UnixDatagrams> {
  const name = Buffer.from(path)
  if (name.length === 0 || name.length >= SOCKADDR_UN.pathBytes) return { failed: { call: 'connect', errno: 'ENAMETOOLONG' } }
  const fd = libc.calls.socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)
  const failed = failureOf(libc, 'socket', fd)
  if (failed) return { failed }
  const arena = openArena(libc, SOCKADDR_UN.bytes + MSGHDR.bytes + IOVEC.bytes + MOST_BYTES + 32)
  const { message, text, length } = layOut(arena, name)
  let open = true
  return {
    value: {
      // With the address each time: the receiver may be another one after its program was started again.
      send(words) {
        if (!open) return { call: 'sendmsg', errno: 'EBADF' }
        const { written } = new TextEncoder().encodeInto(words, arena.u8.subarray(text, text + MOST_BYTES))
        arena.u32[length >> 2] = written
        return failureOf(libc, 'sendmsg', libc.calls.sendmsg(fd, arena.addressOf(message), MSG_DONTWAIT | MSG_NOSIGNAL))
      },
      [Symbol.dispose]() {
        if (!open) return
        open = false
        libc.calls.close(fd)
        arena[Symbol.dispose]()
      },
    },
  }
}

/** Writes a `msghdr` with the address of a name and one part; returns offsets of it, of the part and of the part's length. */
function layOut(arena: Arena, name: Buffer): { readonly message: number; readonly text: number; readonly length: number } {
  const address = arena.allocate(SOCKADDR_UN.bytes)
  const message = arena.allocate(MSGHDR.bytes)
  const vector = arena.allocate(IOVEC.bytes)
  const text = arena.allocate(MOST_BYTES)
  arena.u16[(address + SOCKADDR_UN.family) >> 1] = AF_UNIX
  arena.u8.set(name, address + SOCKADDR_UN.path)
  const abstract = name[0] === '@'.charCodeAt(0)
  if (abstract) arena.u8[address + SOCKADDR_UN.path] = 0
  // An abstract name is all of its bytes; a path ends with a zero.
  const addressBytes = SOCKADDR_UN.path + name.length + (abstract ? 0 : 1)
  const { data } = arena
  data.setBigUint64(message + MSGHDR.name, BigInt(arena.addressOf(address)), true)
  data.setUint32(message + MSGHDR.nameLength, addressBytes, true)
  data.setBigUint64(message + MSGHDR.vectors, BigInt(arena.addressOf(vector)), true)
  data.setBigUint64(message + MSGHDR.vectorCount, 1n, true)
  data.setBigUint64(vector + IOVEC.base, BigInt(arena.addressOf(text)), true)
  return { message, text, length: vector + IOVEC.length }
}
