import type { Layout } from './layout.ts'

/** The functions of the C library that are used, by their C names. Every argument and result is a plain number: pointers are
 *  addresses inside an {@link Arena} (0 is NULL). A result of -1 means that `errno` has the reason; read it at once, in the
 *  statement after the call. No call allocates as long as its addresses are below 2^31, where an arena lies if it can.
 *
 *  The loop counts on results being `int` although C says `ssize_t`: no transfer reaches 2^31 bytes (the kernel stops at
 *  2^31 - 4096), and a small result needs no heap number, which after a failed call could disturb `errno`. */
export interface Calls {
  socket(family: number, type: number, protocol: number): number
  bind(fd: number, address: number, addressBytes: number): number
  listen(fd: number, backlog: number): number
  /** `address` and `addressBytes` (the address of an int) may be 0. */
  accept4(fd: number, address: number, addressBytes: number, flags: number): number
  connect(fd: number, address: number, addressBytes: number): number
  close(fd: number): number
  shutdown(fd: number, how: number): number
  setsockopt(fd: number, level: number, option: number, value: number, valueBytes: number): number
  /** `valueBytes` is the address of an int: room before, size after. */
  getsockopt(fd: number, level: number, option: number, value: number, valueBytes: number): number
  getsockname(fd: number, address: number, addressBytes: number): number
  getpeername(fd: number, address: number, addressBytes: number): number
  epoll_create1(flags: number): number
  epoll_ctl(epoll: number, operation: number, fd: number, event: number): number
  epoll_wait(epoll: number, events: number, capacity: number, timeoutMs: number): number
  recv(fd: number, buffer: number, bytes: number, flags: number): number
  send(fd: number, buffer: number, bytes: number, flags: number): number
  recvmsg(fd: number, message: number, flags: number): number
  sendmsg(fd: number, message: number, flags: number): number
  /** Returns how many messages were received. `timeout` is 0: the kernel looks at it only after a datagram came. */
  recvmmsg(fd: number, messages: number, count: number, flags: number, timeout: number): number
  /** Returns how many messages were sent; an error shows only when it hits the first. */
  sendmmsg(fd: number, messages: number, count: number, flags: number): number
  /** Writes two descriptors, reading end first, to the address `ends`. */
  pipe2(ends: number, flags: number): number
  /** For commands whose argument is an int. */
  fcntl(fd: number, command: number, argument: number): number
  /** Offsets are addresses of 64-bit numbers, 0 for sockets and pipes. */
  splice(from: number, fromOffset: number, to: number, toOffset: number, bytes: number, flags: number): number
  eventfd(initial: number, flags: number): number
  read(fd: number, buffer: number, bytes: number): number
  write(fd: number, buffer: number, bytes: number): number
  /** For requests whose argument is an address. */
  ioctl(fd: number, request: number, argument: number): number
  /** Returns the address, or -1. */
  mmap(address: number, bytes: number, protection: number, flags: number, fd: number, offset: number): number
  munmap(address: number, bytes: number): number
  /** Process 0 is this one; `wanted` and `previous` are addresses of `struct rlimit`, or 0. */
  prlimit(process: number, resource: number, wanted: number, previous: number): number
}

/** The part of a library opened by koffi that is used. */
export interface ForeignLibrary {
  func(name: string, result: string, parameters: readonly string[]): (...values: number[]) => unknown
}

// Pointers are declared `size_t`, never `void *`: koffi then takes its short way (at most six parameters, none of them a
// pointer, nothing to write back), which is 10 to 20 ns quicker and keeps no references.
// `fcntl` and `ioctl` are variadic in C. On both processors Linux passes their arguments as it passes those of any
// other function (macOS on arm64 would not), and a fixed declaration costs 36 ns less than koffi's variadic one.
const DECLARATIONS: { readonly [Name in keyof Calls]: readonly [result: string, ...parameters: string[]] } = {
  socket: ['int', 'int', 'int', 'int'],
  bind: ['int', 'int', 'size_t', 'int'],
  listen: ['int', 'int', 'int'],
  accept4: ['int', 'int', 'size_t', 'size_t', 'int'],
  connect: ['int', 'int', 'size_t', 'int'],
  close: ['int', 'int'],
  shutdown: ['int', 'int', 'int'],
  setsockopt: ['int', 'int', 'int', 'int', 'size_t', 'int'],
  getsockopt: ['int', 'int', 'int', 'int', 'size_t', 'size_t'],
  getsockname: ['int', 'int', 'size_t', 'size_t'],
  getpeername: ['int', 'int', 'size_t', 'size_t'],
  epoll_create1: ['int', 'int'],
  epoll_ctl: ['int', 'int', 'int', 'int', 'size_t'],
  epoll_wait: ['int', 'int', 'size_t', 'int', 'int'],
  recv: ['int', 'int', 'size_t', 'size_t', 'int'],
  send: ['int', 'int', 'size_t', 'size_t', 'int'],
  recvmsg: ['int', 'int', 'size_t', 'int'],
  sendmsg: ['int', 'int', 'size_t', 'int'],
  recvmmsg: ['int', 'int', 'size_t', 'uint', 'int', 'size_t'],
  sendmmsg: ['int', 'int', 'size_t', 'uint', 'int'],
  pipe2: ['int', 'size_t', 'int'],
  fcntl: ['int', 'int', 'int', 'int'],
  splice: ['int', 'int', 'size_t', 'int', 'size_t', 'size_t', 'uint'],
  eventfd: ['int', 'uint', 'int'],
  read: ['int', 'int', 'size_t', 'size_t'],
  write: ['int', 'int', 'size_t', 'size_t'],
  ioctl: ['int', 'int', 'size_t', 'size_t'],
  // As `long` a failure is the number -1; as `size_t` it would be a BigInt.
  mmap: ['long', 'size_t', 'size_t', 'int', 'int', 'int', 'long'],
  munmap: ['int', 'size_t', 'size_t'],
  prlimit: ['int', 'int', 'int', 'size_t', 'size_t'],
}

/** Binds every function for the thread that asks; throws what koffi throws when the library lacks one. */
export function bindCalls(library: ForeignLibrary): Calls {
  const bound = Object.entries(DECLARATIONS).map(([name, [result, ...parameters]]) => [
    name,
    library.func(name, result, parameters),
  ])
  return Object.fromEntries(bound) as Calls
}

/** Replaces what musl does differently: its `sendmmsg` is a loop over `sendmsg`, and its `recvmmsg` rewrites the headers. */
export function withDirectBatches(calls: Calls, library: ForeignLibrary, layout: Layout): Calls {
  const direct = library.func('syscall', 'int', ['long', 'int', 'size_t', 'uint', 'int', 'size_t']) as (
    ...values: number[]
  ) => number
  const { recvmmsg, sendmmsg } = layout.systemCall
  return {
    ...calls,
    recvmmsg: (fd, messages, count, flags, timeout) => direct(recvmmsg, fd, messages, count, flags, timeout),
    sendmmsg: (fd, messages, count, flags) => direct(sendmmsg, fd, messages, count, flags, 0),
  }
}
