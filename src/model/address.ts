import ipaddr from 'ipaddr.js'
import { type Cidr, familyOf, type Ip, type Port } from './keys.ts'
import type { ClientAddress } from './session.ts'

/** Most addresses arrive in this form and need no more than this test. */
const CANONICAL_IPV4 = /^(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?!$)|$)){4}$/
const SLOPPY_IPV4 = /^0*(\d{1,3})\.0*(\d{1,3})\.0*(\d{1,3})\.0*(\d{1,3})$/
const IPV6_LETTERS = /^[0-9a-f:.]+$/i
const CIDR = /^(.+)\/(\d{1,3})$/
/** Longer than any address, leading zeros included. */
const LONGEST_ADDRESS = 64

/** Canonical form of an address; undefined when it is none, or has a port or a zone. Leading zeros in IPv4 are decimal,
 *  as old Kubernetes read them. */
export function parseIp(text: string): Ip | undefined {
  if (CANONICAL_IPV4.test(text)) return text as Ip
  if (text.length > LONGEST_ADDRESS) return undefined
  if (!text.includes(':')) return parseOctets(text)?.join('.') as Ip | undefined
  if (!IPV6_LETTERS.test(text)) return undefined
  const plain = withoutDots(text)
  if (plain === undefined || !ipaddr.IPv6.isValid(plain)) return undefined
  const address = ipaddr.IPv6.parse(plain)
  return (address.isIPv4MappedAddress() ? address.toIPv4Address() : address).toString() as Ip
}

function parseOctets(text: string): number[] | undefined {
  const octets = SLOPPY_IPV4.exec(text)?.slice(1).map(Number)
  return octets?.every((octet) => octet <= 255) ? octets : undefined
}

/** IPv6 with its dotted tail as two groups: the parser reads leading zeros as octal, and `::1.2.3.4` as mapped. */
function withoutDots(text: string): string | undefined {
  if (!text.includes('.')) return text
  const tail = text.lastIndexOf(':') + 1
  const octets = parseOctets(text.slice(tail))
  if (!octets) return undefined
  const [a, b, c, d] = octets as [number, number, number, number]
  return `${text.slice(0, tail)}${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`
}

/** The number as a port; undefined unless it is a whole number from 1 to 65535. */
export function parsePort(value: unknown): Port | undefined {
  return typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= 65535 ? (value as Port) : undefined
}

/** Canonical form of a range, the bits behind the prefix cleared; undefined when it is none. */
export function parseCidr(text: string): Cidr | undefined {
  const match = CIDR.exec(text)
  const ip = match && parseIp(match[1] as string)
  if (!ip) return undefined
  const mapped = familyOf(ip) === 4 && text.includes(':')
  const bits = Number(match[2]) - (mapped ? 96 : 0)
  const bytes = ipaddr.parse(ip).toByteArray()
  if (bits < 0 || bits > bytes.length * 8) return undefined
  const network = bytes.map((byte, index) => byte & (0xff << (8 - Math.min(Math.max(bits - index * 8, 0), 8))))
  return `${ipaddr.fromByteArray(network).toString()}/${bits}` as Cidr
}

/** Whether `ip` lies in `cidr`; never across families. */
export function cidrContains(cidr: Cidr, ip: Ip): boolean {
  const address = ipaddr.parse(ip)
  const [network, bits] = ipaddr.parseCIDR(cidr)
  return network.kind() === address.kind() && address.match(network, bits)
}

/** How many addresses a range has, the first and the last included. */
export function cidrSize(cidr: Cidr): bigint {
  const [network, bits] = ipaddr.parseCIDR(cidr)
  return 1n << BigInt((network.kind() === 'ipv4' ? 32 : 128) - bits)
}

/** The n-th address of a range, from 0; undefined when the range is not that long. Which ones to leave out (network,
 *  broadcast) is the caller's business. */
export function cidrAddress(cidr: Cidr, n: bigint): Ip | undefined {
  if (n < 0n || n >= cidrSize(cidr)) return undefined
  const bytes = ipaddr.parseCIDR(cidr)[0].toByteArray()
  let carry = n
  for (let index = bytes.length - 1; carry > 0n; index--) {
    carry += BigInt(bytes[index] as number)
    bytes[index] = Number(carry & 0xffn)
    carry >>= 8n
  }
  return parseIp(ipaddr.fromByteArray(bytes).toString())
}

/** 0.0.0.0 or ::, which stand for every address. */
export function isUnspecified(ip: Ip): boolean {
  return ip === '0.0.0.0' || ip === '::'
}
/** 127.0.0.0/8 or ::1. */
export function isLoopback(ip: Ip): boolean {
  return ip.startsWith('127.') || ip === '::1'
}
/** 169.254.0.0/16 or fe80::/10. */
export function isLinkLocal(ip: Ip): boolean {
  return ip.startsWith('169.254.') || /^fe[89ab][0-9a-f]:/.test(ip)
}
/** 224.0.0.0/4 or ff00::/8. */
export function isMulticast(ip: Ip): boolean {
  return /^(?:22[4-9]|23\d)\./.test(ip) || /^ff[0-9a-f]{2}:/.test(ip)
}

/** Why nobody can be reached, or listened for, at exactly this address; undefined: it is an address like any other. */
export function unusableAs(ip: Ip): 'unspecified' | 'link-local' | 'multicast' | 'broadcast' | undefined {
  if (isUnspecified(ip)) return 'unspecified'
  if (isLinkLocal(ip)) return 'link-local'
  if (isMulticast(ip)) return 'multicast'
  return ip === '255.255.255.255' ? 'broadcast' : undefined
}

/** Writes an address as the system gives it (a zone is ignored) into `into`; an unreadable one becomes `::`. Called for
 *  every client: IPv4 costs no allocation. */
export function fillClientAddress(ip: string, port: number, into: ClientAddress): void {
  into.port = port
  into.word0 = 0
  into.word1 = 0
  into.word2 = 0
  into.word3 = 0
  if (CANONICAL_IPV4.test(ip)) {
    into.word2 = 0xffff
    into.word3 = ipv4Word(ip)
    return
  }
  const zone = ip.indexOf('%')
  const canonical = parseIp(zone < 0 ? ip : ip.slice(0, zone))
  if (canonical === undefined) return
  if (familyOf(canonical) === 4) {
    into.word2 = 0xffff
    into.word3 = ipv4Word(canonical)
    return
  }
  const parts = ipaddr.IPv6.parse(canonical).parts
  const word = (index: number) => (((parts[index] as number) << 16) | (parts[index + 1] as number)) >>> 0
  into.word0 = word(0)
  into.word1 = word(2)
  into.word2 = word(4)
  into.word3 = word(6)
}

function ipv4Word(ip: string): number {
  let word = 0
  let octet = 0
  for (let index = 0; index < ip.length; index++) {
    const code = ip.charCodeAt(index)
    if (code === 46) {
      word = (word << 8) | octet
      octet = 0
    } else octet = octet * 10 + code - 48
  }
  return ((word << 8) | octet) >>> 0
}

/** The address that {@link fillClientAddress} wrote. */
export function showWords(words: Pick<ClientAddress, 'word0' | 'word1' | 'word2' | 'word3'>): Ip {
  const { word0, word1, word2, word3 } = words
  // Most are IPv4, and there may be many thousands of them.
  if ((word0 | word1) === 0 && word2 === 0xffff) {
    return `${word3 >>> 24}.${(word3 >>> 16) & 0xff}.${(word3 >>> 8) & 0xff}.${word3 & 0xff}` as Ip
  }
  const parts = [word0, word1, word2, word3].flatMap((word) => [word >>> 16, word & 0xffff])
  return new ipaddr.IPv6(parts).toString() as Ip
}
