import type { Endpoint, EndpointGroup } from './endpoint.ts'
import type { Cidr, Ip, ListenerKey, Port, ServiceKey, ServicePortKey, SocketAddress } from './keys.ts'
import type { Labels } from './labels.ts'
import type { Located, ObjectSet } from './objects.ts'
import type { Problem } from './problem.ts'
import type { Service, ServicePort, TrafficPolicy } from './service.ts'

export type FrontendKind = 'clusterIP' | 'nodePort' | 'externalIP' | 'loadBalancer'

/** An address that a Service port would like to listen on. */
export interface Frontend {
  readonly key: ListenerKey
  readonly address: SocketAddress
  readonly kind: FrontendKind
  readonly port: ServicePort
}

/** What one of our sockets does: the meeting of an address, a Service port and the endpoints it may use.
 *  Immutable; the same reference from one snapshot to the next means nothing about it changed. */
export interface Route extends Frontend {
  readonly service: Service
  /** The traffic policy of this kind of frontend. */
  readonly policy: TrafficPolicy
  /** Usable under this policy, of the address's family, without duplicates, in key order. Routes of one Service port and
   *  policy share the reference. */
  readonly endpoints: readonly Endpoint[]
  /** What `localClients` use instead. Where a load balancer sends only to nodes with an endpoint (external policy Local),
   *  a client that is on the node already gets what it would get by way of the load balancer: any endpoint. */
  readonly localClientEndpoints: readonly Endpoint[]
  /** Who is on this node; empty where that makes no difference. */
  readonly localClients: readonly Cidr[]
  /** Only clients from here are served; empty: all. */
  readonly sourceRanges: readonly Cidr[]
  /** How long clients are held for a first endpoint; undefined: there is one somewhere, or they are not. */
  readonly holdMs: number | undefined
}

/** Where load balancers ask whether this node has endpoints of a Service. */
export interface CheckAddress {
  readonly key: ListenerKey
  readonly address: SocketAddress
}

/** What they are told there. */
export interface HealthCheck extends CheckAddress {
  readonly namespace: string
  readonly name: string
  /** Distinct addresses on this node that are ready, on whatever port. */
  readonly localEndpoints: number
}

/** The endpoints of one family that a Service port may use, by policy. */
export interface EndpointSets {
  /** Undefined: no frontend asks for it. */
  readonly cluster: readonly Endpoint[] | undefined
  /** On this node. Undefined: no frontend asks for it. */
  readonly local: readonly Endpoint[] | undefined
  /** Whether there is any endpoint that could serve, on whatever node. */
  readonly hasAny: boolean
}

/** The endpoints of one Service port. */
export interface ServicePortEndpoints {
  readonly port: ServicePort
  /** Every endpoint that the objects list for it, usable or not, in key order. */
  readonly all: readonly Endpoint[]
  readonly usable: { readonly 4: EndpointSets; readonly 6: EndpointSets }
}

/** Which Service listens on which address. The same reference as long as no address changed hands. */
export interface Claims {
  readonly owners: ReadonlyMap<ListenerKey, ServiceKey>
  /** Every clusterIP of every Service. */
  readonly clusterIps: ReadonlySet<Ip>
}

/** What one Service compiled to, with the inputs it was made from. */
export interface CompiledService {
  readonly input: Located<Service>
  readonly groups: readonly Located<EndpointGroup>[]
  readonly node: NodeContext
  /** Given or assigned addresses. */
  readonly clusterIps: readonly Ip[]
  /** Given or assigned, by Service port. */
  readonly nodePorts: ReadonlyMap<ServicePortKey, Port>
  readonly frontends: readonly Frontend[]
  readonly checkAddresses: readonly CheckAddress[]
  readonly claims: Claims
  readonly ports: ReadonlyMap<ServicePortKey, ServicePortEndpoints>
  /** Of the frontends that this Service owns. */
  readonly routes: readonly Route[]
  /** At those of its check addresses that it owns. */
  readonly healthChecks: readonly HealthCheck[]
  readonly problems: readonly Problem[]
}

/** Places in the ranges that addresses and ports are assigned from, by the name of who holds them. */
export type Places = ReadonlyMap<string, number>

/** Whether this node is known to stay (`staying`), about to be removed or removed (`leaving`), or not known at all. */
export type NodeState = 'unknown' | 'staying' | 'leaving'

/** Everything in force at one moment. */
export interface Snapshot {
  readonly revision: number
  /** What it was compiled from. */
  readonly objects: ObjectSet
  /** Where this process runs, the Node object of its name included. */
  readonly node: NodeContext
  readonly nodeState: NodeState
  readonly services: ReadonlyMap<ServiceKey, CompiledService>
  readonly routes: ReadonlyMap<ListenerKey, Route>
  readonly healthChecks: ReadonlyMap<ListenerKey, HealthCheck>
  readonly claims: Claims
  readonly assigned: { readonly addresses: Places; readonly ports: Places }
  readonly problems: readonly Problem[]
}

/** Where this process runs, as Services see it. The same reference as long as nothing changed. */
export interface NodeContext {
  readonly name: string
  /** Zone and region among them. */
  readonly labels: Labels
  /** Its own, loopback left out unless it was given. */
  readonly addresses: readonly Ip[]
  /** Addresses that answer on nodePorts. */
  readonly nodePortAddresses: readonly Ip[]
  /** Whether they are a guess, which a Node object knows better. */
  readonly followsNodeObject: boolean
  /** Clients from here are on this node: its own addresses, and those of its pods as far as they are known. */
  readonly clients: readonly Cidr[]
}

/** What has to happen to sockets between two snapshots. */
export interface SnapshotDiff {
  readonly open: readonly Route[]
  /** The same socket, something new behind it. */
  readonly swap: readonly Route[]
  readonly close: readonly ListenerKey[]
}
