import {
  AF_INET6,
  IP_HDRINCL,
  IP_MTU_DISCOVER,
  IPV6_HDRINCL,
  IPV6_MTU_DISCOVER,
  IPV6_RECVPKTINFO,
  PMTUDISC_DONT,
  SOCK_CLOEXEC,
  SOCK_NONBLOCK,
  SOCK_RAW,
  SOL_IP,
  SOL_IPV6,
} from './constants.ts'
import type { Libc } from './load.ts'
import { failureOf, type Outcome } from './outcome.ts'
import type { SocketOptions } from './socket-options.ts'

/** Opens a raw socket of one protocol, non-blocking: it gets a copy of every packet of that protocol to this machine, and sends
 *  packets with the IP header that it is given. An IPv6 socket gets packets without their header; their destination is told beside
 *  them. As long as it is open the kernel does not answer that it does not know the protocol. Needs CAP_NET_RAW, and loads no module:
 *  every protocol has raw sockets. `bufferBytes` is asked for; the system's limit may give less. */
export function openRawSocket(
  libc: Libc,
  options: SocketOptions,
  family: number,
  protocol: number,
  bufferBytes: number,
): Outcome<number> {
  const fd = libc.calls.socket(family, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol)
  const refused = failureOf(libc, 'socket', fd)
  if (refused) return { failed: refused }
  options.setBuffers(fd, bufferBytes)
  const failed =
    family === AF_INET6
      ? (options.setInt(fd, SOL_IPV6, IPV6_RECVPKTINFO, 1) ??
        options.setInt(fd, SOL_IPV6, IPV6_MTU_DISCOVER, PMTUDISC_DONT) ??
        options.setInt(fd, SOL_IPV6, IPV6_HDRINCL, 1))
      : (options.setInt(fd, SOL_IP, IP_MTU_DISCOVER, PMTUDISC_DONT) ?? options.setInt(fd, SOL_IP, IP_HDRINCL, 1))
  if (!failed) return { value: fd }
  libc.calls.close(fd)
  return { failed }
}
