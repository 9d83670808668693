import type { ClientPrefix, ClientRules } from './client-limits.ts'
import type { Cidr, EndpointKey, Ip, Protocol, ServicePortKey, SocketAddress } from './keys.ts'
import type { AcceptProxy, Prelude } from './proxy-header.ts'
import type { SchedulerName } from './service.ts'

/** An endpoint as an engine's thread needs it. */
export interface RouteEndpoint {
  /** Its slot in the shared ledger: what happens to it is counted there. */
  readonly slot: number
  readonly key: EndpointKey
  readonly address: SocketAddress
  /** As the objects say; what was set at run time lies over it, in the ledger. */
  readonly weight: number
  /** Whether it serves only where no other endpoint can. */
  readonly backup: boolean
  /** The slot of its address, where affinity remembers that; undefined: it remembers the endpoint. */
  readonly hostSlot?: number | undefined
}

/** Clients on this node, where they are served otherwise than others. */
export interface LocalClients {
  /** Where they come from. Routes share the reference. */
  readonly clients: readonly Cidr[]
  /** The ledger's first rotation word for this list of endpoints. */
  readonly rotation: number
  /** In rotation order. Routes with the same list share the reference. */
  readonly endpoints: readonly RouteEndpoint[]
}

/** How many sessions a Service port may have, and what becomes of clients that come above it, or while it has no endpoint. */
export interface RouteLimits {
  /** Sessions of the Service port; undefined: as many as come. */
  readonly maxSessions: number | undefined
  /** Sessions of each endpoint; undefined: as many as come. */
  readonly maxPerEndpoint: number | undefined
  /** TCP clients of the Service port that may wait at once. */
  readonly queueLength: number
  /** How long each may wait for a place. */
  readonly queueMs: number
  /** How long each may wait for the first endpoint; undefined: clients are refused while there is none. */
  readonly holdMs: number | undefined
}

/** A route as an engine's thread needs it: values and slot numbers, nothing that cannot be cloned. */
export interface PublishedRoute {
  readonly listener: number
  readonly service: ServicePortKey
  readonly serviceSlot: number
  /** The ledger's first rotation word for this list of endpoints. */
  readonly rotation: number
  readonly protocol: Protocol
  /** The address it listens on. */
  readonly ip: Ip
  readonly scheduler: SchedulerName
  /** In rotation order. Routes with the same list share the reference. */
  readonly endpoints: readonly RouteEndpoint[]
  /** What clients on this node use instead; undefined: the same as everybody. */
  readonly forLocalClients: LocalClients | undefined
  /** Where less than this many in a hundred endpoints are up, or none, all are used. */
  readonly panicPercent: number
  readonly affinityTimeoutMs: number | undefined
  /** The Service slot that affinity remembers clients by. */
  readonly affinitySlot: number
  /** What affinity takes for one client; undefined: one address. */
  readonly affinityPrefix: ClientPrefix | undefined
  /** Only clients inside one of these are served; empty: everyone. */
  readonly sourceRanges: readonly Cidr[]
  readonly connectMs: readonly number[]
  /** Whether endpoints see the client's own address. */
  readonly transparent: boolean
  /** Addresses of this machine that endpoints are connected from; empty: the system chooses. */
  readonly sourceAddresses: readonly Ip[]
  readonly idleMs: number
  readonly halfCloseMs: number
  readonly udpIdleMs: number
  readonly udpResponses: number | undefined
  readonly maxSessionMs: number | undefined
  /** What endpoints are sent ahead of what clients send; undefined: nothing. */
  readonly prelude: Prelude | undefined
  /** Undefined: clients are who they seem to be. */
  readonly acceptProxy: AcceptProxy | undefined
  readonly userTimeoutMs: number | undefined
  /** Undefined: clients are held to nothing. */
  readonly clientRules: ClientRules | undefined
  /** Undefined: nobody ever waits. */
  readonly limits: RouteLimits | undefined
}

/** What changed since the last revision; applied whole, in one go. */
export interface RouteDelta {
  readonly revision: number
  readonly set: readonly PublishedRoute[]
  readonly remove: readonly number[]
}
