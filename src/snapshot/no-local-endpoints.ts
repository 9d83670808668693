import { familyOf, type IpFamily } from '../model/keys.ts'
import type { Snapshot } from '../model/snapshot.ts'

/** Which policy it is that leaves clients without an endpoint. */
export type PolicySide = 'internal' | 'external'

/** Service ports without an endpoint on this node whose policy asks for one, though there are endpoints on others. */
export type NoLocalEndpoints = { readonly [Side in PolicySide]: { readonly [Family in IpFamily]: number } }

/** Counts them: the Services whose clients kube-proxy would drop. */
export function countNoLocalEndpoints(snapshot: Snapshot | undefined): NoLocalEndpoints {
  const counts = { internal: { IPv4: 0, IPv6: 0 }, external: { IPv4: 0, IPv6: 0 } }
  for (const { ports, routes } of snapshot?.services.values() ?? []) {
    const seen = new Set<string>()
    for (const { address, endpoints, kind, policy, port } of routes) {
      const family = familyOf(address.ip)
      if (policy !== 'Local' || endpoints.length > 0 || !ports.get(port.key)?.usable[family].hasAny) continue
      const side = kind === 'clusterIP' ? 'internal' : 'external'
      const id = `${port.key} ${side} ${family}`
      if (!seen.has(id)) counts[side][`IPv${family}`]++
      seen.add(id)
    }
  }
  return counts
}
