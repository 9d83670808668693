import { ProxyError } from '../errors.ts'
import { errnoName } from './errno.ts'

/** What a person can do where the system refuses what the native engine cannot do without. */
const FIXES: { readonly [errno: string]: string } = {
  EMFILE: 'raise the limit on descriptors (ulimit -n, LimitNOFILE)',
  ENFILE: 'raise the limit on descriptors of the machine (sysctl fs.file-max)',
  ENOMEM: 'give it more memory',
  EPERM: 'allow this call (seccomp)',
  EACCES: 'allow this call (seccomp)',
}

/** The error for `what`, a call or what it was for, that failed with this `errno`. It says what to do. */
export function refusedCall(what: string, errno: number): ProxyError {
  const name = errnoName(errno)
  return new ProxyError('E_ENGINE', 'system', `${what}: ${name}: ${FIXES[name] ?? 'use --engine node'}`)
}
