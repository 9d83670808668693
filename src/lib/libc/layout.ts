/** The processors whose layouts are known; both are little-endian. */
export type Arch = 'x64' | 'arm64'

/** What differs between processors. */
export interface Layout {
  readonly arch: Arch
  /** `struct epoll_event`: packed on x86-64, so that the data follows the mask at once. */
  readonly epollEvent: { readonly bytes: number; readonly data: number }
  readonly systemCall: { readonly recvmmsg: number; readonly sendmmsg: number }
}

/** By the name that `process.arch` has. */
export const LAYOUTS: { readonly [A in Arch]: Layout } = {
  x64: { arch: 'x64', epollEvent: { bytes: 12, data: 4 }, systemCall: { recvmmsg: 299, sendmmsg: 307 } },
  arm64: { arch: 'arm64', epollEvent: { bytes: 16, data: 8 }, systemCall: { recvmmsg: 243, sendmmsg: 269 } },
}

// The rest is the same on both processors, and for glibc, musl and the kernel: where musl declares a 32-bit length with
// padding and glibc a 64-bit one, the bytes are equal as long as the upper half is zero.

/** `struct iovec`. */
export const IOVEC = { base: 0, length: 8, bytes: 16 } as const

/** `struct msghdr`. */
export const MSGHDR = {
  name: 0,
  nameLength: 8,
  vectors: 16,
  vectorCount: 24,
  control: 32,
  controlLength: 40,
  flags: 48,
  bytes: 56,
} as const

/** `struct mmsghdr`: a {@link MSGHDR}, then how many bytes were moved. */
export const MMSGHDR = { length: 56, bytes: 64 } as const

/** `struct cmsghdr`; the data follows, and the next one starts at the next multiple of `alignment`. */
export const CMSGHDR = { length: 0, level: 8, type: 12, data: 16, alignment: 8 } as const

/** `struct sockaddr_in`; port and address are big-endian, the family is not. */
export const SOCKADDR_IN = { family: 0, port: 2, address: 4, bytes: 16 } as const

/** `struct sockaddr_in6`; the flow label is big-endian, the scope is not. */
export const SOCKADDR_IN6 = { family: 0, port: 2, flow: 4, address: 8, scope: 24, bytes: 28 } as const

/** `struct sockaddr_un`. */
export const SOCKADDR_UN = { family: 0, path: 2, pathBytes: 108, bytes: 110 } as const

/** `struct in_pktinfo`: interface, the address to answer from, the address in the header. */
export const IN_PKTINFO = { interface: 0, local: 4, destination: 8, bytes: 12 } as const

/** `struct in6_pktinfo`. */
export const IN6_PKTINFO = { address: 0, interface: 16, bytes: 20 } as const

/** `struct linger`. */
export const LINGER = { on: 0, seconds: 4, bytes: 8 } as const

/** `struct rlimit`: two 64-bit numbers, all ones for no limit. */
export const RLIMIT = { soft: 0, hard: 8, bytes: 16 } as const

/** `struct tcp_info`, as far as it is read; the kernel writes no more than it is given room for. */
export const TCP_INFO_STRUCT = { state: 0, retransmits: 2, unacked: 24, rttMicros: 68, bytes: 104 } as const
