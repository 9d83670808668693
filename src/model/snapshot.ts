import type { Endpoint, EndpointGroup } from './endpoint.ts'
import type { Ip, ListenerKey, ServiceKey, ServicePortKey, SocketAddress } from './keys.ts'
import type { Located } from './objects.ts'
import type { Problem } from './problem.ts'
import type { Service, ServicePort } from './service.ts'

export type FrontendKind = 'clusterIP' | 'nodePort' | 'externalIP' | 'loadBalancer'

/** What one of our sockets does: the meeting of an address, a Service port and the endpoints it may use.
 *  Immutable; the same reference from one snapshot to the next means nothing about it changed. */
export interface Route {
  readonly key: ListenerKey
  readonly address: SocketAddress
  readonly kind: FrontendKind
  readonly service: Service
  readonly port: ServicePort
  /** Usable under this frontend's policy, without duplicates, in key order. */
  readonly endpoints: readonly Endpoint[]
}

/** One Service port and every endpoint that the objects list for it, usable or not. */
export interface ServicePortEndpoints {
  readonly port: ServicePort
  readonly all: readonly Endpoint[]
  readonly usable: readonly Endpoint[]
}

/** What one Service compiled to, with the inputs it was made from. */
export interface CompiledService {
  readonly input: Located<Service>
  readonly groups: readonly Located<EndpointGroup>[]
  readonly node: NodeContext
  /** Given or assigned addresses. */
  readonly clusterIps: readonly Ip[]
  readonly ports: ReadonlyMap<ServicePortKey, ServicePortEndpoints>
  /** What it would like to listen on; an address that an older Service claims is not granted. */
  readonly routes: readonly Route[]
  readonly problems: readonly Problem[]
}

/** Everything in force at one moment. */
export interface Snapshot {
  readonly revision: number
  readonly services: ReadonlyMap<ServiceKey, CompiledService>
  /** Granted routes: one owner per address. */
  readonly routes: ReadonlyMap<ListenerKey, Route>
  readonly problems: readonly Problem[]
}

/** Where this process runs, as Services see it. The same reference as long as nothing changed. */
export interface NodeContext {
  readonly name: string
  /** Addresses that answer on nodePorts. */
  readonly nodePortAddresses: readonly Ip[]
}

/** What has to happen to sockets between two snapshots. */
export interface SnapshotDiff {
  readonly open: readonly Route[]
  /** The same socket, something new behind it. */
  readonly swap: readonly Route[]
  readonly close: readonly ListenerKey[]
}
