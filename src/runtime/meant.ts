import { type EndpointKey, endpointAddress, type ServicePortKey } from '../model/keys.ts'

/** Whether a Service port is the one meant (`default/web:http/TCP`, or without the protocol), or of the Service that is
 *  (`default/web`). Undefined: every one is. */
export function isOf(key: ServicePortKey, meant: string | undefined): boolean {
  if (meant === undefined || key === meant) return true
  const withoutProtocol = key.slice(0, key.lastIndexOf('/'))
  return withoutProtocol === meant || withoutProtocol.slice(0, withoutProtocol.indexOf(':')) === meant
}

/** Whether an endpoint is the one meant, by its address or by address and port. */
export function isAt(key: EndpointKey, meant: string): boolean {
  const address = endpointAddress(key)
  if (address === meant) return true
  const ip = address.slice(0, address.lastIndexOf(':'))
  return ip === meant || ip === `[${meant}]`
}
