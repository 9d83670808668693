import { z } from 'zod'
import { parseCidr } from './address.ts'
import { dnsSubdomain } from './fields.ts'
import type { Findings } from './findings.ts'
import { textLabels } from './labels.ts'
import { metadataSchema } from './metadata.ts'
import type { Node } from './node.ts'
import { isBlank, list, read } from './reader.ts'

const nodeSchema = z.object({
  metadata: metadataSchema(dnsSubdomain),
  spec: z.object({ podCIDR: z.unknown().optional(), podCIDRs: list.nullish(), taints: list.nullish() }).nullish(),
})

/** A v1 Node; undefined when nobody can say which one. What else is odd about it is passed over: it serves others, too. */
export function parseNode(value: unknown, findings: Findings): Node | undefined {
  const object = read(nodeSchema, value, findings)
  if (!object || findings.rejected) return undefined
  const { metadata, spec } = object
  const ranges = [...(spec?.podCIDRs ?? []), spec?.podCIDR].map((text) =>
    typeof text === 'string' ? parseCidr(text) : undefined,
  )
  return {
    name: metadata.name,
    labels: textLabels(metadata.labels),
    podCidrs: [...new Set(ranges.filter((range) => range !== undefined))],
    taints: (spec?.taints ?? []).map(keyOf).filter((key) => key !== undefined),
    deleting: !isBlank(metadata.deletionTimestamp),
  }
}

function keyOf(taint: unknown): string | undefined {
  const key = typeof taint === 'object' && taint !== null && 'key' in taint ? taint.key : undefined
  return typeof key === 'string' ? key : undefined
}
