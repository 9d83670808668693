import type { EndpointKey, Ip, Port, Protocol, ServiceKey, SocketAddress } from './keys.ts'
import type { Labels } from './labels.ts'

/** One address that can serve one Service port. */
export interface Endpoint {
  readonly key: EndpointKey
  readonly address: SocketAddress
  /** 0 to 65535; 0 takes no new sessions. */
  readonly weight: number
  /** Whether it serves only where no other endpoint can. */
  readonly backup: boolean
  readonly ready: boolean
  readonly serving: boolean
  readonly terminating: boolean
  readonly nodeName: string | undefined
  readonly zone: string | undefined
  readonly zoneHints: readonly string[]
  readonly nodeHints: readonly string[]
  /** Labels of its node that slices of old carried along; for topologyKeys. */
  readonly topology: Labels
}

/** One address of a slice, before ports are joined to it. */
export interface SliceEndpoint {
  readonly ip: Ip
  readonly ready: boolean
  readonly serving: boolean
  readonly terminating: boolean
  readonly nodeName: string | undefined
  readonly zone: string | undefined
  readonly zoneHints: readonly string[]
  readonly nodeHints: readonly string[]
  /** Labels of its node that slices of old carried along; for topologyKeys. */
  readonly topology: Labels
}

/** Addresses × ports of one EndpointSlice, or of one subset of a v1 Endpoints object: checked, in canonical form. */
export interface EndpointGroup {
  readonly service: ServiceKey
  /** What it came from, such as `EndpointSlice default/web-abc12`. */
  readonly object: string
  readonly family: 4 | 6
  /** When the change in the cluster happened that it was last written for, in milliseconds since 1970, if it says. */
  readonly triggeredMs: number | undefined
  readonly ports: readonly { readonly name: string; readonly protocol: Protocol; readonly port: Port }[]
  readonly endpoints: readonly SliceEndpoint[]
  /** What the object says of all its endpoints; undefined: nothing. */
  readonly weight: number | undefined
  readonly backup: boolean
}
