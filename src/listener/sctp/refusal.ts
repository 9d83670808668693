import { type KernelFiles, kernelFiles } from '../../lib/kernel-files.ts'
import { AF_INET, IPPROTO_SCTP, SOCK_CLOEXEC, SOCK_RAW } from '../../lib/libc/constants.ts'
import { errnoName } from '../../lib/libc/errno.ts'
import type { Libc } from '../../lib/libc/load.ts'

/** Why this process cannot serve SCTP on this machine; undefined: it can. Asks for nothing that would make the kernel load its own
 *  SCTP. */
export function sctpRefusal(libc: Libc, files: KernelFiles = kernelFiles()): string | undefined {
  if (/^SCTP/m.test(files.text('/proc/net/protocols') ?? '')) {
    return "this kernel's own SCTP is loaded and would answer clients itself; unload the module sctp"
  }
  const fd = libc.calls.socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_SCTP)
  if (fd < 0) {
    const name = errnoName(libc.errno[0] as number)
    return name === 'EPERM' ? 'it needs CAP_NET_RAW' : `no raw socket can be opened: ${name}`
  }
  libc.calls.close(fd)
  return undefined
}
