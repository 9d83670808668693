import type { ClientLimits, ClientPrefix } from './client-limits.ts'
import type { HealthOptions } from './health.ts'
import type { Cidr, Ip, Port, Protocol, ServiceKey, ServicePortKey } from './keys.ts'
import type { AcceptProxy, SendProxy } from './proxy-header.ts'

export type TrafficPolicy = 'Cluster' | 'Local'
/** Where a Service would rather have its sessions served, as far as there is an endpoint. */
export type TrafficDistribution = 'same-zone' | 'same-node'
/** IPVS's names, plus p2c and random. */
export const SCHEDULER_NAMES = ['rr', 'wrr', 'lc', 'wlc', 'sed', 'nq', 'sh', 'dh', 'mh', 'p2c', 'random'] as const
export type SchedulerName = (typeof SCHEDULER_NAMES)[number]

/** The most an endpoint can weigh, as in IPVS. */
export const MOST_WEIGHT = 65_535

/** What becomes of live sessions when their endpoint cannot be used any more. */
export type DeparturePolicy =
  | { readonly do: 'keep' }
  | { readonly do: 'drain'; readonly deadlineMs: number }
  | { readonly do: 'cut' }

/** What `portald.io/…` annotations set, defaults filled in. */
export interface ServiceOptions {
  readonly scheduler: SchedulerName
  /** 0 to {@link MOST_WEIGHT} by address; goes before what a slice says of its endpoints. */
  readonly weights: Readonly<Record<Ip, number>>
  /** Addresses that serve where no other endpoint can. */
  readonly backups: readonly Ip[]
  /** How long the weight of a new endpoint grows to its full; undefined: it has that at once. */
  readonly slowStartMs: number | undefined
  /** How long each attempt to reach an endpoint may take; as many attempts as entries. */
  readonly connectMs: readonly number[]
  /** A TCP session without a byte for this long is ended. */
  readonly idleMs: number
  /** How long one direction may stay open after the other was closed. */
  readonly halfCloseMs: number
  /** A UDP session without a datagram for this long is ended. */
  readonly udpIdleMs: number
  /** A UDP session ends after this many replies; undefined: no such end. */
  readonly udpResponses: number | undefined
  /** A session is over this long after it began, or up to a tenth earlier; undefined: it may last for ever. */
  readonly maxSessionMs: number | undefined
  /** How long what was sent to a side of a TCP session may stay unacknowledged; undefined: as the system has it. */
  readonly userTimeoutMs: number | undefined
  /** Sessions that each port of the Service may have at once; undefined: as many as come. */
  readonly maxConnections: number | undefined
  /** Sessions that each endpoint of a port may have at once; undefined: as many as come. */
  readonly maxPerEndpoint: number | undefined
  /** TCP clients of each port that may wait at once, for a place or for an endpoint. */
  readonly queueLength: number
  /** How long a TCP client may wait for a place. */
  readonly queueMs: number
  /** How long a TCP client may wait for a first endpoint; undefined: it is refused while there is none. */
  readonly holdMs: number | undefined
  readonly onEndpointRemoved: DeparturePolicy
  readonly onEndpointUnready: DeparturePolicy
  readonly onEndpointDown: DeparturePolicy
  /** When the Service goes, or this port of it; undefined: the same as when the endpoint does. */
  readonly onServiceRemoved: DeparturePolicy | undefined
  /** Undefined: endpoints get what clients send, and nothing else. TCP only. */
  readonly sendProxy: SendProxy | undefined
  /** Undefined: clients are who they seem to be. TCP only. */
  readonly acceptProxy: AcceptProxy | undefined
  /** Whose address endpoints see: this machine's, or the client's own. */
  readonly sourceAddress: 'proxy' | 'transparent'
  /** Addresses of this machine that endpoints are connected from; undefined: the system chooses. */
  readonly sourceAddresses: readonly Ip[] | undefined
  /** Affinity holds for all ports of the Service together; undefined: for each port by itself. */
  readonly affinityScope: 'service' | undefined
  /** What counts as one client; undefined: what is usual for the purpose. */
  readonly clientPrefix: ClientPrefix | undefined
  /** Undefined: clients are held to nothing. */
  readonly clientLimits: ClientLimits | undefined
  readonly health: HealthOptions
}

/** One port of a Service. */
export interface ServicePort {
  readonly key: ServicePortKey
  /** The port's name; empty when the Service has one unnamed port. */
  readonly name: string
  readonly protocol: Protocol
  readonly port: Port
  /** The number given for it on every node; undefined when none is given. */
  readonly nodePort: Port | undefined
}

/** A v1 Service, checked and in canonical form. Says what was asked for; addresses and numbers that this program
 *  assigns are not in it. */
export interface Service {
  readonly key: ServiceKey
  readonly namespace: string
  readonly name: string
  /** metadata.creationTimestamp in milliseconds since 1970; undefined when the object has none. */
  readonly createdMs: number | undefined
  readonly type: 'ClusterIP' | 'NodePort' | 'LoadBalancer' | 'ExternalName'
  /** Why it gets no listener at all (`ExternalName`, `headless`); undefined: it is served. */
  readonly notServed: string | undefined
  /** Given addresses, at most one per family; empty when none is given. */
  readonly clusterIps: readonly Ip[]
  /** Asked for, the first one first; empty: not said. */
  readonly families: readonly (4 | 6)[]
  readonly externalIps: readonly Ip[]
  /** From status.loadBalancer.ingress, ipMode VIP or unset; empty for other types than LoadBalancer. */
  readonly ingressIps: readonly Ip[]
  /** Whether ports without a number want one on every node. */
  readonly wantsNodePorts: boolean
  readonly ports: readonly ServicePort[]
  /** Undefined: sessionAffinity None. */
  readonly affinityTimeoutMs: number | undefined
  readonly internalTrafficPolicy: TrafficPolicy
  readonly externalTrafficPolicy: TrafficPolicy
  /** Undefined: anywhere. Counts only where endpoints come without hints. */
  readonly trafficDistribution: TrafficDistribution | undefined
  /** Labels of nodes, in order of preference; `*` is any node. Empty: no constraint. Removed from Kubernetes in 1.22. */
  readonly topologyKeys: readonly string[]
  /** Empty: everyone. */
  readonly sourceRanges: readonly Cidr[]
  /** Where load balancers ask each node whether it has endpoints; undefined: nowhere. */
  readonly healthCheckNodePort: Port | undefined
  readonly publishNotReadyAddresses: boolean
  readonly options: ServiceOptions
}
