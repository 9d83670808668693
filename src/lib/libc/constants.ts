// Linux numbers, the same on x86-64 and arm64 (both use the kernel's generic tables for all of these). What differs between
// the two is not a number but a layout, and stands in `layout.ts`; so do the system call numbers.

/** Address families. */
export const AF_UNIX = 1
export const AF_INET = 2
export const AF_INET6 = 10

/** Socket types, and what may be or-ed to them and to `accept4`. */
export const SOCK_STREAM = 1
export const SOCK_DGRAM = 2
export const SOCK_RAW = 3
export const SOCK_SEQPACKET = 5
export const SOCK_NONBLOCK = 0x800
export const SOCK_CLOEXEC = 0x80000

/** Protocols; 0 is the type's own. */
export const IPPROTO_TCP = 6
export const IPPROTO_UDP = 17
export const IPPROTO_SCTP = 132

/** Levels of socket options and control messages. */
export const SOL_IP = 0
export const SOL_SOCKET = 1
export const SOL_TCP = 6
export const SOL_UDP = 17
export const SOL_IPV6 = 41

/** Options of {@link SOL_SOCKET}. */
export const SO_REUSEADDR = 2
export const SO_ERROR = 4
export const SO_BROADCAST = 6
export const SO_SNDBUF = 7
export const SO_RCVBUF = 8
export const SO_KEEPALIVE = 9
export const SO_LINGER = 13
export const SO_REUSEPORT = 15
export const SO_ACCEPTCONN = 30
export const SO_SNDBUFFORCE = 32
export const SO_RCVBUFFORCE = 33
export const SO_MARK = 36
export const SO_INCOMING_CPU = 49

/** Control message of {@link SOL_SOCKET} that carries descriptors. */
export const SCM_RIGHTS = 1

/** Options of {@link SOL_TCP}. */
export const TCP_NODELAY = 1
export const TCP_KEEPIDLE = 4
export const TCP_KEEPINTVL = 5
export const TCP_KEEPCNT = 6
/** Seconds that `accept` waits for the client's first bytes. */
export const TCP_DEFER_ACCEPT = 9
export const TCP_INFO = 11
export const TCP_QUICKACK = 12
/** Milliseconds that sent bytes may stay without an answer. */
export const TCP_USER_TIMEOUT = 18

/** States in {@link TCP_INFO}. */
export const TCP_ESTABLISHED = 1
export const TCP_SYN_SENT = 2
export const TCP_CLOSE = 7
export const TCP_CLOSE_WAIT = 8
export const TCP_LISTEN = 10

/** Options and control messages of {@link SOL_UDP}: the size of the parts a large datagram is cut into, or came in. */
export const UDP_SEGMENT = 103
export const UDP_GRO = 104
/** What the kernel takes in one segmented send. */
export const UDP_MAX_SEGMENTS = 64

/** Options and control messages of {@link SOL_IP}. */
export const IP_HDRINCL = 3
export const IP_PKTINFO = 8
export const IP_MTU_DISCOVER = 10
export const IP_RECVERR = 11
export const IP_MTU = 14
export const IP_FREEBIND = 15
export const IP_TRANSPARENT = 19
export const IP_BIND_ADDRESS_NO_PORT = 24

/** Options and control messages of {@link SOL_IPV6}. */
export const IPV6_MTU_DISCOVER = 23
export const IPV6_MTU = 24
export const IPV6_RECVERR = 25
export const IPV6_V6ONLY = 26
/** Linux 4.5. */
export const IPV6_HDRINCL = 36
export const IPV6_RECVPKTINFO = 49
export const IPV6_PKTINFO = 50
export const IPV6_TRANSPARENT = 75
export const IPV6_FREEBIND = 78

/** For the two `MTU_DISCOVER` options: what is too long is sent in fragments. */
export const PMTUDISC_DONT = 0

/** Operations of `epoll_ctl`. */
export const EPOLL_CTL_ADD = 1
export const EPOLL_CTL_DEL = 2
export const EPOLL_CTL_MOD = 3
/** For `epoll_create1`. */
export const EPOLL_CLOEXEC = 0x80000

/** Event masks: signed 32-bit numbers, as they come out of an `Int32Array`. */
export const EPOLLIN = 0x1
export const EPOLLPRI = 0x2
export const EPOLLOUT = 0x4
export const EPOLLERR = 0x8
export const EPOLLHUP = 0x10
export const EPOLLRDHUP = 0x2000
export const EPOLLEXCLUSIVE = 0x10000000
export const EPOLLONESHOT = 0x40000000
export const EPOLLET = -0x80000000

/** Flags of the `recv` and `send` families. */
export const MSG_PEEK = 0x2
export const MSG_CTRUNC = 0x8
export const MSG_TRUNC = 0x20
export const MSG_DONTWAIT = 0x40
export const MSG_ERRQUEUE = 0x2000
export const MSG_NOSIGNAL = 0x4000
export const MSG_MORE = 0x8000
export const MSG_WAITFORONE = 0x10000
export const MSG_CMSG_CLOEXEC = 0x40000000

/** How to `shutdown`. */
export const SHUT_RD = 0
export const SHUT_WR = 1
export const SHUT_RDWR = 2

/** Flags of `splice`. */
export const SPLICE_F_MOVE = 1
export const SPLICE_F_NONBLOCK = 2
export const SPLICE_F_MORE = 4

/** Flags of `pipe2`. */
export const O_NONBLOCK = 0x800
export const O_CLOEXEC = 0x80000

/** Flags of `eventfd`. */
export const EFD_CLOEXEC = 0x80000
export const EFD_NONBLOCK = 0x800

/** Commands of `fcntl`. */
export const F_GETFD = 1
export const F_SETFD = 2
export const F_GETFL = 3
export const F_SETFL = 4
export const F_DUPFD_CLOEXEC = 1030
export const F_SETPIPE_SZ = 1031
export const F_GETPIPE_SZ = 1032
export const FD_CLOEXEC = 1

/** Requests of `ioctl`: bytes sent and not yet acknowledged, bytes received and not yet read. */
export const SIOCOUTQ = 0x5411
export const SIOCINQ = 0x541b

/** For `prlimit`. */
export const RLIMIT_NOFILE = 7

/** For `mmap`. */
export const PROT_READ = 1
export const PROT_WRITE = 2
export const MAP_PRIVATE = 0x2
export const MAP_ANONYMOUS = 0x20
/** Linux 4.17; before it the address is a mere hint. */
export const MAP_FIXED_NOREPLACE = 0x100000
