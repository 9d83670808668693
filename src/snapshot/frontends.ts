import { familyOf, type Ip, listenerKey, type Port, type ServicePortKey } from '../model/keys.ts'
import type { Service } from '../model/service.ts'
import type { Frontend, FrontendKind } from '../model/snapshot.ts'

/** Addresses of this node that a Service answers on: those of its families. */
export function nodeAddressesFor(clusterIps: readonly Ip[], nodeAddresses: readonly Ip[]): readonly Ip[] {
  const families = new Set(clusterIps.map(familyOf))
  return families.size === 0 ? nodeAddresses : nodeAddresses.filter((ip) => families.has(familyOf(ip)))
}

/** The addresses a Service would like to listen on, SCTP left out where it is not served, in the order clusterIP, externalIP, load balancer, nodePort. A
 *  nodePort answers on node addresses of the Service's families, one socket an address, never a wildcard. */
export function frontendsOf(
  service: Service,
  clusterIps: readonly Ip[],
  nodePorts: ReadonlyMap<ServicePortKey, Port>,
  nodeAddresses: readonly Ip[],
  servesSctp: boolean,
): readonly Frontend[] {
  if (service.notServed !== undefined) return []
  const frontends: Frontend[] = []
  for (const port of service.ports) {
    if (port.protocol === 'SCTP' && !servesSctp) continue
    const add = (kind: FrontendKind, ip: Ip, number: Port) => {
      const address = { ip, port: number }
      const key = listenerKey(port.protocol, address)
      if (!frontends.some((frontend) => frontend.key === key)) frontends.push({ key, address, kind, port })
    }
    for (const ip of clusterIps) add('clusterIP', ip, port.port)
    // An address that is both is the load balancer's: nobody gets past what guards that.
    for (const ip of service.externalIps) if (!service.ingressIps.includes(ip)) add('externalIP', ip, port.port)
    for (const ip of service.ingressIps) add('loadBalancer', ip, port.port)
    const nodePort = nodePorts.get(port.key)
    if (nodePort === undefined) continue
    for (const ip of nodeAddressesFor(clusterIps, nodeAddresses)) add('nodePort', ip, nodePort)
  }
  return frontends
}
