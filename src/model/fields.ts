import { parsePort } from './address.ts'
import type { Port } from './keys.ts'
import { choice, converted, isBlank, optional, textLike } from './reader.ts'

/** Where objects without a namespace belong. */
export const DEFAULT_NAMESPACE = 'default'

const LABEL = /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?$/
const LABEL_REFUSAL = {
  code: 'name',
  message: 'must be at most 63 lower-case letters, digits or hyphens, beginning and ending with a letter or digit',
}

/** The name of a port: a DNS label (RFC 1123), or empty. */
export const portName = textLike(LABEL, 63, LABEL_REFUSAL, '')

/** The namespace of an object: a DNS label, or nothing for the default one. */
export const namespace = textLike(LABEL, 63, LABEL_REFUSAL, DEFAULT_NAMESPACE)

/** A DNS label that begins with a letter (RFC 1035). */
export const serviceName = textLike(/^[a-z](?:[-a-z0-9]*[a-z0-9])?$/, 63, {
  code: 'name',
  message: 'must be at most 63 lower-case letters, digits or hyphens, beginning with a letter, ending with a letter or digit',
})

const SUBDOMAIN = /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*$/
const LONGEST_SUBDOMAIN = 253

/** DNS labels joined by dots (RFC 1123), such as the name of an EndpointSlice. */
export const dnsSubdomain = textLike(SUBDOMAIN, LONGEST_SUBDOMAIN, {
  code: 'name',
  message: 'must be at most 253 lower-case letters, digits, hyphens or dots, parts beginning and ending with a letter or digit',
})

/** Whether a text could be the name of a host. */
export function isHostName(text: string): boolean {
  return text.length <= LONGEST_SUBDOMAIN && SUBDOMAIN.test(text)
}

const PORT_RIGHT = 'must be a whole number from 1 to 65535'

export const portNumber = converted<Port>((value, refuse) => parsePort(value) ?? refuse('port-range', PORT_RIGHT))

/** A port, or 0 or undefined where none is given; what 0 means is the caller's business. */
export const optionalPort = optional<Port | 0>((value, refuse) => {
  if (isBlank(value)) return undefined
  return value === 0 ? value : (parsePort(value) ?? refuse('port-range', PORT_RIGHT))
})

export const protocol = choice(['TCP', 'UDP', 'SCTP'], 'TCP')
