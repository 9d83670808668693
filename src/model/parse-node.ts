import { z } from 'zod'
import { parseCidr, parseIp } from './address.ts'
import { dnsSubdomain } from './fields.ts'
import { type Findings, isMapping } from './findings.ts'
import { familyOf, type Ip } from './keys.ts'
import { textLabels } from './labels.ts'
import { metadataSchema } from './metadata.ts'
import type { Node } from './node.ts'
import { isBlank, list, read } from './reader.ts'

const nodeSchema = z.object({
  metadata: metadataSchema(dnsSubdomain).extend({ deletionTimestamp: z.unknown().optional() }),
  spec: z.object({ podCIDR: z.unknown().optional(), podCIDRs: list.nullish(), taints: list.nullish() }).nullish(),
  status: z.object({ addresses: list.nullish() }).nullish(),
})

/** A v1 Node; undefined when nobody can say which one. What else is odd about it is passed over: it serves others, too. */
export function parseNode(value: unknown, findings: Findings): Node | undefined {
  const object = read(nodeSchema, value, findings)
  if (!object || findings.rejected) return undefined
  const { metadata, spec, status } = object
  const ranges = [...(spec?.podCIDRs ?? []), spec?.podCIDR].map((text) =>
    typeof text === 'string' ? parseCidr(text) : undefined,
  )
  return {
    name: metadata.name,
    labels: textLabels(metadata.labels),
    addresses: ownAddresses(status?.addresses ?? []),
    podCidrs: [...new Set(ranges.filter((range) => range !== undefined))],
    taints: (spec?.taints ?? []).map(keyOf).filter((key) => key !== undefined),
    deleting: !isBlank(metadata.deletionTimestamp),
  }
}

const ADDRESS_TYPES = ['InternalIP', 'ExternalIP']

function ownAddresses(listed: readonly unknown[]): readonly Ip[] {
  const found = listed.flatMap((entry) => {
    if (!isMapping(entry)) return []
    const { type, address } = entry
    const ip = typeof address === 'string' ? parseIp(address) : undefined
    const rank = ADDRESS_TYPES.indexOf(type as string)
    return ip !== undefined && rank >= 0 ? [{ ip, rank }] : []
  })
  const sorted = found.toSorted((a, b) => a.rank - b.rank)
  const first = (family: 4 | 6) => sorted.find(({ ip }) => familyOf(ip) === family)
  return [first(4), first(6)].flatMap((own) => (own ? [own.ip] : []))
}

function keyOf(taint: unknown): string | undefined {
  const key = typeof taint === 'object' && taint !== null && 'key' in taint ? taint.key : undefined
  return typeof key === 'string' ? key : undefined
}
