import type { AffinityTable } from '../affinity/affinity-table.ts'
import { PrefixMask } from '../affinity/client-prefix.ts'
import { ClientRanges } from '../listener/admission.ts'
import type { ClientRules } from '../model/client-limits.ts'
import type { PublishedRoute } from '../model/delta.ts'
import type { ExplanationStep } from '../model/explanation.ts'
import type { ClientAddress } from '../model/session.ts'

/** What a route's rules make of a client's address; whether it has sessions left is not looked at. Undefined: there are none. */
export function clientsStep(rules: ClientRules | undefined, client: ClientAddress): ExplanationStep | undefined {
  if (rules === undefined) return undefined
  const { allow, deny, sessions, clientRate, serviceRate } = rules
  if (deny.length > 0 && new ClientRanges(deny).contains(client))
    return { step: 'clients', passed: false, says: 'the client is in what deny-from lists' }
  if (allow.length > 0 && !new ClientRanges(allow).contains(client))
    return { step: 'clients', passed: false, says: 'the client is not in what allow-from lists' }
  const limited = sessions !== undefined || clientRate !== undefined || serviceRate !== undefined
  if (!limited && allow.length + deny.length === 0) return undefined
  const says = limited ? 'the client is served as far as limits on sessions and rates allow' : 'its address is permitted'
  return { step: 'clients', passed: true, says }
}

/** What affinity remembers of a client: the slot of its endpoint on this route, or of what it remembers where that is not on it. */
export function rememberedOf(
  route: PublishedRoute,
  isLocal: boolean,
  client: ClientAddress,
  affinity: Pick<AffinityTable, 'peek'>,
  nowMs: number,
): { readonly slot: number; readonly ageMs: number } | undefined {
  if (route.affinityTimeoutMs === undefined) return undefined
  const who = route.affinityPrefix ? new PrefixMask(route.affinityPrefix).apply(client) : client
  const had = affinity.peek(route.affinitySlot, who, nowMs)
  const { endpoints } = (isLocal ? route.forLocalClients : undefined) ?? route
  const endpoint = endpoints.find(({ slot, hostSlot }) => (hostSlot ?? slot) === had?.slot)
  return had && endpoint ? { slot: endpoint.slot, ageMs: had.ageMs } : had
}
