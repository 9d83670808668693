import type { Endpoint } from '../model/endpoint.ts'
import { familyOf, type Ip, listenerKey } from '../model/keys.ts'
import type { Service } from '../model/service.ts'
import type { CheckAddress, HealthCheck, NodeContext, ServicePortEndpoints } from '../model/snapshot.ts'
import { nodeAddressesFor } from './frontends.ts'

const NONE: readonly CheckAddress[] = []

/** Where load balancers ask for a Service: its healthCheckNodePort, on the addresses that nodePorts answer on. */
export function checkAddressesOf(service: Service, clusterIps: readonly Ip[], node: NodeContext): readonly CheckAddress[] {
  const { healthCheckNodePort: port, notServed } = service
  if (port === undefined || notServed !== undefined) return NONE
  return nodeAddressesFor(clusterIps, node.nodePortAddresses).map((ip) => {
    const address = { ip, port }
    return { key: listenerKey('TCP', address), address }
  })
}

/** What is answered there. Counted are, of the family that is asked, the addresses on this node that are ready on any
 *  port: not those that terminate, though they may go on serving (KEP-1669), for clients have to go elsewhere in time. */
export function healthCheckOf(
  { key, address }: CheckAddress,
  { namespace, name }: Service,
  ports: Iterable<ServicePortEndpoints>,
  node: NodeContext,
): HealthCheck {
  const family = familyOf(address.ip)
  const isReadyHere = ({ ready, nodeName, address: { ip } }: Endpoint) =>
    ready && node.name !== '' && nodeName === node.name && familyOf(ip) === family
  const ips = new Set<Ip>()
  for (const { all } of ports) for (const endpoint of all) if (isReadyHere(endpoint)) ips.add(endpoint.address.ip)
  return { key, address, namespace, name, localEndpoints: ips.size }
}
