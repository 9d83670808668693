import { describe, it } from 'vitest'
import type { Arena } from '../../../src/lib/libc/arena.ts'
import { openArena } from '../../../src/lib/libc/arena.ts'
import { AF_INET, SOCK_CLOEXEC, SOCK_NONBLOCK, SOCK_STREAM } from '../../../src/lib/libc/constants.ts'
import { errnoName } from '../../../src/lib/libc/errno.ts'
import type { Libc } from '../../../src/lib/libc/load.ts'
import { loadLibc } from '../../../src/lib/libc/load.ts'
import type { Outcome } from '../../../src/lib/libc/outcome.ts'
import type { AddressWords } from '../../../src/lib/libc/socket-address.ts'
import { writeSocketAddress } from '../../../src/lib/libc/socket-address.ts'
import type { Sockets } from '../../../src/lib/libc/sockets.ts'
import { openSockets } from '../../../src/lib/libc/sockets.ts'

const loaded = loadLibc()

/** A block of tests that need the C library; where there is none, one skipped test says why. */
export function describeLibc(name: string, tests: (libc: Libc) => void): void {
  if (loaded.libc) describe(name, () => tests(loaded.libc))
  else describe(name, () => it.skip(`needs the C library: ${loaded.reason}`))
}

/** The words of `a.b.c.d`. */
export function ipv4(text: string, port = 0): AddressWords {
  const [a, b, c, d] = text.split('.').map(Number) as [number, number, number, number]
  return { word0: 0, word1: 0, word2: 0xffff, word3: ((a << 24) | (b << 16) | (c << 8) | d) >>> 0, port }
}

/** The words of `::last`. */
export function ipv6(last: number, port = 0): AddressWords {
  return { word0: 0, word1: 0, word2: 0, word3: last, port }
}

export function empty(): AddressWords {
  return { word0: 7, word1: 7, word2: 7, word3: 7, port: 7 }
}

/** Descriptors, memory and conveniences of one test; disposing it closes all. */
export class Bench implements Disposable {
  readonly libc: Libc
  readonly arena: Arena
  readonly sockets: Sockets
  readonly #descriptors = new Set<number>()

  constructor(libc: Libc) {
    this.libc = libc
    this.arena = openArena(libc, 1 << 20)
    this.sockets = openSockets(libc)
  }

  /** What a call returned, as long as it did not fail. */
  must(result: number): number {
    const number = this.libc.errno[0] as number
    if (result < 0) throw new Error(`call failed: ${errnoName(number)}`)
    return result
  }

  /** A descriptor that is closed at the end of the test. */
  own(fd: number): number {
    this.#descriptors.add(this.must(fd))
    return fd
  }

  close(fd: number): void {
    this.#descriptors.delete(fd)
    this.libc.calls.close(fd)
  }

  /** The value of an outcome, whose descriptor is closed at the end of the test. */
  bound<T extends { readonly fd: number }>(outcome: Outcome<T>): T {
    const value = got(outcome)
    this.own(value.fd)
    return value
  }

  /** Writes an address and returns where it stands, for `connect` and its kin. */
  at(address: AddressWords, family?: number): { readonly address: number; readonly offset: number; readonly bytes: number } {
    const offset = this.arena.allocate(32)
    return { offset, address: this.arena.addressOf(offset), bytes: writeSocketAddress(this.arena, offset, address, family) }
  }

  /** Connects a blocking socket; on loopback the handshake is over when it returns. */
  dial(address: AddressWords, family = AF_INET, type = SOCK_STREAM): number {
    const fd = this.own(this.libc.calls.socket(family, type | SOCK_CLOEXEC, 0))
    const to = this.at(address, family)
    this.must(this.libc.calls.connect(fd, to.address, to.bytes))
    return fd
  }

  /** Two ends of one TCP connection: the one that dialled blocks, the accepted one does not. */
  pair(): { readonly client: number; readonly accepted: number; readonly listener: number } {
    const listener = this.bound(this.sockets.listenTcp({ address: ipv4('127.0.0.1'), backlog: 8 }))
    const client = this.dial({ ...listener.address })
    const accepted = this.own(this.libc.calls.accept4(listener.fd, 0, 0, SOCK_NONBLOCK | SOCK_CLOEXEC))
    return { client, accepted, listener: listener.fd }
  }

  /** Copies text into the arena; returns its place. */
  text(text: string): { readonly address: number; readonly offset: number; readonly bytes: number } {
    const bytes = new TextEncoder().encode(text)
    const offset = this.arena.allocate(bytes.length)
    this.arena.u8.set(bytes, offset)
    return { offset, address: this.arena.addressOf(offset), bytes: bytes.length }
  }

  /** The text at an offset of the arena. */
  read(offset: number, bytes: number): string {
    return new TextDecoder().decode(this.arena.u8.slice(offset, offset + bytes))
  }

  [Symbol.dispose](): void {
    for (const fd of this.#descriptors) this.libc.calls.close(fd)
    this.#descriptors.clear()
    this.sockets[Symbol.dispose]()
    this.arena[Symbol.dispose]()
  }
}

/** The value of an outcome that must not be a failure. */
export function got<T>(outcome: Outcome<T>): T {
  if (outcome.failed) throw new Error(`${outcome.failed.call}: ${outcome.failed.errno}`)
  return outcome.value
}
