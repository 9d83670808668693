import type { Arena } from './arena.ts'
import {
  SIOCINQ,
  SIOCOUTQ,
  SO_ERROR,
  SO_LINGER,
  SO_RCVBUF,
  SO_RCVBUFFORCE,
  SO_SNDBUF,
  SO_SNDBUFFORCE,
  SOL_SOCKET,
  SOL_TCP,
  TCP_INFO,
} from './constants.ts'
import { LINGER, TCP_INFO_STRUCT } from './layout.ts'
import type { Libc } from './load.ts'
import { INT_BYTES, OptionValues } from './option-values.ts'
import type { FailedCall, Outcome } from './outcome.ts'
import { failureOf } from './outcome.ts'

/** What `TCP_INFO` says of a connection. */
export interface TcpInfo {
  /** `TCP_ESTABLISHED` and its kin. */
  readonly state: number
  /** Time-outs in a row without an answer. */
  readonly retransmits: number
  /** Segments sent and not acknowledged. */
  readonly unacked: number
  readonly rttMicros: number
}

/** Options of sockets, one call at a time; a loop that sets them per session uses {@link OptionValues} instead. */
export class SocketOptions {
  readonly #libc: Libc
  readonly #arena: Arena
  readonly #values: OptionValues
  readonly #room: number
  readonly #length: number

  constructor(libc: Libc, arena: Arena) {
    this.#libc = libc
    this.#arena = arena
    this.#values = new OptionValues(arena)
    this.#room = arena.allocate(TCP_INFO_STRUCT.bytes)
    this.#length = arena.allocate(INT_BYTES)
  }

  /** Sets an option whose value is an int; undefined when it was taken. */
  setInt(fd: number, level: number, option: number, value: number): FailedCall | undefined {
    return this.#check('setsockopt', this.#libc.calls.setsockopt(fd, level, option, this.#values.int(value), INT_BYTES))
  }

  /** Reads an option whose value is an int. */
  getInt(fd: number, level: number, option: number): Outcome<number> {
    const failed = this.#get(fd, level, option, INT_BYTES)
    return failed ? { failed } : { value: this.#arena.i32[this.#room >> 2] as number }
  }

  /** The socket's pending error, which is thereby taken: 0, or a number of `ERRNO`. */
  takeError(fd: number): Outcome<number> {
    return this.getInt(fd, SOL_SOCKET, SO_ERROR)
  }

  /** Asks for buffers both ways, past the system's limit where that is allowed; gets what it gets. */
  setBuffers(fd: number, bytes: number): void {
    if (this.setInt(fd, SOL_SOCKET, SO_RCVBUFFORCE, bytes)) this.setInt(fd, SOL_SOCKET, SO_RCVBUF, bytes)
    if (this.setInt(fd, SOL_SOCKET, SO_SNDBUFFORCE, bytes)) this.setInt(fd, SOL_SOCKET, SO_SNDBUF, bytes)
  }

  /** Seconds that `close` waits for queued bytes: 0 resets, undefined lets the kernel send them in the background. */
  setLinger(fd: number, seconds: number | undefined): FailedCall | undefined {
    const { i32 } = this.#arena
    i32[(this.#room + LINGER.on) >> 2] = seconds === undefined ? 0 : 1
    i32[(this.#room + LINGER.seconds) >> 2] = seconds ?? 0
    const value = this.#arena.addressOf(this.#room)
    return this.#check('setsockopt', this.#libc.calls.setsockopt(fd, SOL_SOCKET, SO_LINGER, value, LINGER.bytes))
  }

  /** What {@link setLinger} set. */
  linger(fd: number): Outcome<number | undefined> {
    const failed = this.#get(fd, SOL_SOCKET, SO_LINGER, LINGER.bytes)
    if (failed) return { failed }
    const { i32 } = this.#arena
    return { value: i32[(this.#room + LINGER.on) >> 2] === 0 ? undefined : (i32[(this.#room + LINGER.seconds) >> 2] as number) }
  }

  tcpInfo(fd: number): Outcome<TcpInfo> {
    const failed = this.#get(fd, SOL_TCP, TCP_INFO, TCP_INFO_STRUCT.bytes)
    if (failed) return { failed }
    const { u8, u32 } = this.#arena
    return {
      value: {
        state: u8[this.#room + TCP_INFO_STRUCT.state] as number,
        retransmits: u8[this.#room + TCP_INFO_STRUCT.retransmits] as number,
        unacked: u32[(this.#room + TCP_INFO_STRUCT.unacked) >> 2] as number,
        rttMicros: u32[(this.#room + TCP_INFO_STRUCT.rttMicros) >> 2] as number,
      },
    }
  }

  /** Bytes that were sent and not yet acknowledged. */
  unsentBytes(fd: number): Outcome<number> {
    return this.#queue(fd, SIOCOUTQ)
  }

  /** Bytes that were received and not yet read. */
  unreadBytes(fd: number): Outcome<number> {
    return this.#queue(fd, SIOCINQ)
  }

  #queue(fd: number, request: number): Outcome<number> {
    const failed = this.#check('ioctl', this.#libc.calls.ioctl(fd, request, this.#values.cellAddress))
    return failed ? { failed } : { value: this.#values.cell }
  }

  #get(fd: number, level: number, option: number, bytes: number): FailedCall | undefined {
    const arena = this.#arena
    arena.i32[this.#length >> 2] = bytes
    const value = arena.addressOf(this.#room)
    return this.#check('getsockopt', this.#libc.calls.getsockopt(fd, level, option, value, arena.addressOf(this.#length)))
  }

  #check(call: string, result: number): FailedCall | undefined {
    return failureOf(this.#libc, call, result)
  }
}
