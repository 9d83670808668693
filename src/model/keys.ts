declare const brand: unique symbol
/** A value of type `T` that cannot be mistaken for another kind of `T`. */
export type Brand<T, Name extends string> = T & { readonly [brand]: Name }

/** Canonical text of an address: compressed IPv6, and IPv4 mapped into IPv6 written as IPv4. */
export type Ip = Brand<string, 'Ip'>
/** 1 to 65535. */
export type Port = Brand<number, 'Port'>
/** Canonical text of a range, such as `10.96.0.0/12`. */
export type Cidr = Brand<string, 'Cidr'>

/** `namespace/name` of a Service. */
export type ServiceKey = Brand<string, 'ServiceKey'>
/** One port of one Service: `default/web:http/TCP`. */
export type ServicePortKey = Brand<string, 'ServicePortKey'>
/** One address that serves: `10.1.2.3:8080/TCP`. */
export type EndpointKey = Brand<string, 'EndpointKey'>
/** One socket of ours: `TCP/10.96.0.10:80`. */
export type ListenerKey = Brand<string, 'ListenerKey'>

export type Protocol = 'TCP' | 'UDP' | 'SCTP'

/** As Kubernetes writes it. */
export type IpFamily = 'IPv4' | 'IPv6'

export interface SocketAddress {
  readonly ip: Ip
  readonly port: Port
}

export function serviceKey(namespace: string, name: string): ServiceKey {
  return `${namespace}/${name}` as ServiceKey
}

export function servicePortKey(service: ServiceKey, portName: string, protocol: Protocol): ServicePortKey {
  return `${service}:${portName}/${protocol}` as ServicePortKey
}

export function endpointKey(address: SocketAddress, protocol: Protocol): EndpointKey {
  return `${showAddress(address)}/${protocol}` as EndpointKey
}

/** `10.1.2.3:8080` of `10.1.2.3:8080/TCP`. */
export function endpointAddress(key: EndpointKey): string {
  return key.slice(0, key.lastIndexOf('/'))
}

export function listenerKey(protocol: Protocol, address: SocketAddress): ListenerKey {
  return `${protocol}/${showAddress(address)}` as ListenerKey
}

/** `10.0.0.1:80` or `[2001:db8::1]:80`. */
export function showAddress(address: SocketAddress): string {
  return address.ip.includes(':') ? `[${address.ip}]:${address.port}` : `${address.ip}:${address.port}`
}

/** The range that holds this address and no other. */
export function hostRange(ip: Ip): Cidr {
  return `${ip}/${familyOf(ip) === 4 ? 32 : 128}` as Cidr
}

/** 4 or 6. */
export function familyOf(ip: Ip): 4 | 6 {
  return ip.includes(':') ? 6 : 4
}
