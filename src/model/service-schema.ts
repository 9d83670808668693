import { z } from 'zod'
import { parseIp, parsePort, unusableAs } from './address.ts'
import { optionalPort, portName, portNumber, protocol, serviceName } from './fields.ts'
import type { Ip } from './keys.ts'
import { metadataSchema } from './metadata.ts'
import { choice, converted, isBlank, optional, type Refuse, whole } from './reader.ts'

const LONGEST_AFFINITY_S = 86_400

const trafficPolicy = choice(['Cluster', 'Local'], undefined)

function frontendIp(text: unknown, refuse: Refuse): Ip | undefined {
  if (typeof text !== 'string') return refuse('type', 'must be text')
  const ip = parseIp(text)
  if (ip === undefined) return refuse('address', 'must be an IPv4 or IPv6 address, without port or zone')
  const use = unusableAs(ip)
  return use === undefined ? ip : refuse('address-use', `must be the address of one machine, not ${use}`)
}
const clusterIp = optional<Ip | 'None'>((value, refuse) => {
  if (isBlank(value)) return undefined
  return value === 'None' ? value : frontendIp(value, refuse)
})

/** Nothing is kept of it, for endpoints carry their own numbers. */
const targetPort = optional<unknown>((value, refuse) => {
  if (isBlank(value) || value === 0) return true
  if (parsePort(value) !== undefined) return true
  if (typeof value === 'string' && value.length <= 15 && /^(?=.*[a-z])(?!.*--)[a-z0-9](?:[-a-z0-9]*[a-z0-9])?$/.test(value))
    return true
  return refuse('target-port', 'must be a whole number from 1 to 65535, or a port name such as http')
})

const portSchema = z.object({
  name: portName,
  protocol,
  port: portNumber,
  nodePort: optionalPort,
  targetPort,
})

const specSchema = z.object({
  type: choice(['ClusterIP', 'NodePort', 'LoadBalancer', 'ExternalName'], 'ClusterIP'),
  clusterIP: clusterIp,
  clusterIPs: z.array(clusterIp).nullish(),
  ipFamilies: z.array(choice(['IPv4', 'IPv6'], undefined)).nullish(),
  externalIPs: z.array(converted(frontendIp)).nullish(),
  externalName: z.string().nullish(),
  ports: z.array(portSchema).nullish(),
  allocateLoadBalancerNodePorts: z.boolean().nullish(),
  healthCheckNodePort: optionalPort,
  loadBalancerSourceRanges: z.array(z.string()).nullish(),
  sessionAffinity: choice(['None', 'ClientIP'], 'None'),
  sessionAffinityConfig: z
    .object({
      clientIP: z.object({ timeoutSeconds: whole('affinity-timeout', 1, LONGEST_AFFINITY_S).nullish() }).nullish(),
    })
    .nullish(),
  internalTrafficPolicy: trafficPolicy,
  externalTrafficPolicy: trafficPolicy,
  trafficDistribution: z.unknown().optional(),
  topologyKeys: z.array(z.string()).nullish(),
  publishNotReadyAddresses: z.boolean().nullish(),
})
export type ServiceSpec = z.output<typeof specSchema>

const ingressSchema = z.object({
  ip: optional<Ip>((value, refuse) => (isBlank(value) ? undefined : frontendIp(value, refuse))),
  ipMode: choice(['VIP', 'Proxy'], 'VIP'),
})
const statusSchema = z.object({ loadBalancer: z.object({ ingress: z.array(ingressSchema).nullish() }).nullish() }).nullish()
export type ServiceStatus = z.output<typeof statusSchema>

/** What is read of a v1 Service, with every rule that one field can break alone. */
export const serviceSchema = z.object({
  metadata: metadataSchema(serviceName),
  spec: specSchema,
  status: statusSchema,
})
