import { type ClientPrefix, DEFAULT_LIMIT_PREFIX, type RouteLimits } from '../model/limits.ts'
import type { ServiceOptions, ServicePort } from '../model/service.ts'

/** What clients of a route are held to; undefined: to nothing. */
export function limitsOf(
  { protocol }: Pick<ServicePort, 'protocol'>,
  { limits, clientPrefix }: Pick<ServiceOptions, 'limits' | 'clientPrefix'>,
): RouteLimits | undefined {
  if (!limits) return undefined
  const { allowFrom, denyFrom, clientSessions, clientRate, serviceRate, turnAway } = limits
  const prefix: ClientPrefix = clientPrefix ?? DEFAULT_LIMIT_PREFIX
  const sessions = clientSessions?.[protocol === 'UDP' ? 'udp' : 'tcp']
  return { allow: allowFrom ?? [], deny: denyFrom ?? [], sessions, clientRate, serviceRate, prefix, turnAway }
}
