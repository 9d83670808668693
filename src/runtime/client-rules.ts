import { type ClientPrefix, type ClientRules, DEFAULT_LIMIT_PREFIX } from '../model/client-limits.ts'
import type { ServiceOptions, ServicePort } from '../model/service.ts'

const NAMES = { TCP: 'tcp', UDP: 'udp', SCTP: 'sctp' } as const

/** What clients of a route are held to; undefined: to nothing. */
export function clientRulesOf(
  { protocol }: Pick<ServicePort, 'protocol'>,
  { clientLimits, clientPrefix }: Pick<ServiceOptions, 'clientLimits' | 'clientPrefix'>,
): ClientRules | undefined {
  if (!clientLimits) return undefined
  const { allowFrom, denyFrom, clientSessions, clientRate, serviceRate, turnAway } = clientLimits
  const prefix: ClientPrefix = clientPrefix ?? DEFAULT_LIMIT_PREFIX
  const sessions = clientSessions?.[NAMES[protocol]]
  return { allow: allowFrom ?? [], deny: denyFrom ?? [], sessions, clientRate, serviceRate, prefix, turnAway }
}
