import { showAddress } from '../model/keys.ts'
import type { ListenerSpec, ListenerStatus } from './listener.ts'

const REASONS: { readonly [errno: string]: string } = {
  EADDRINUSE: 'in use by another socket of this machine',
  EADDRNOTAVAIL:
    'not an address of this machine; make it one, such as "ip addr add ADDRESS dev lo", or let --vip-mode anyip do it',
  EACCES: 'not permitted; ports below net.ipv4.ip_unprivileged_port_start need CAP_NET_BIND_SERVICE',
  EMFILE: 'this process has no descriptors left; raise its limit on open files',
  EAFNOSUPPORT: 'this machine has no support for the address family',
}

/** The status of a listener whose socket could not be opened: what happened and what to do. `errno` is the system's name
 *  for the reason; `otherwise` is said where there is nothing better. */
export function bindFailure(spec: ListenerSpec, errno: string | undefined, otherwise: string): ListenerStatus {
  const code = errno ?? 'UNKNOWN'
  return {
    state: 'failed',
    code,
    message: `listen ${spec.protocol.toLowerCase()} ${showAddress(spec.address)}: ${REASONS[code] ?? otherwise}`,
    retryAtMs: 0,
  }
}
