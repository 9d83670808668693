import { parseDuration, showDuration } from '../lib/duration.ts'
import { ACCESS_FIELDS, type AccessFormat, parseAccessFormat } from './access-format.ts'
import { parseCidr, parseIp, parsePort } from './address.ts'
import type { AdminAddress } from './admin-address.ts'
import { type CheckProgram, parseCheckProgram } from './check-program.ts'
import type { CONFIG_OPTIONS, OptionKey, OptionKind, ValueRule } from './config-table.ts'
import type { Cidr, Ip, Port, SocketAddress } from './keys.ts'
import { type Label, parseLabel } from './labels.ts'

/** Stands for the own address of a node, one of each family. */
export const PRIMARY = 'primary'

/** Ports from one to another, both included. */
export type PortRange = readonly [from: Port, to: Port]

const UNIX = 'unix:'
/** Longer ones do not fit the kernel's address of a Unix socket. */
const LONGEST_SOCKET_PATH_BYTES = 107

interface KindValues {
  text: string
  texts: string
  choice: string
  integer: number
  boolean: boolean
  duration: number
  address: SocketAddress
  ips: Ip
  cidr: Cidr
  cidrs: Cidr
  'node-addresses': Cidr | typeof PRIMARY
  labels: Label
  'port-range': PortRange
  'admin-addresses': AdminAddress
  programs: CheckProgram
  'access-format': AccessFormat
}

/** What one value of an option becomes: a duration is milliseconds, a choice is one of its words. */
export type OptionValue<Key extends OptionKey> = (typeof CONFIG_OPTIONS)[Key] extends { choices: readonly (infer Choice)[] }
  ? Choice
  : KindValues[(typeof CONFIG_OPTIONS)[Key]['kind']]

interface Reading<T> {
  parse(text: string, rule: ValueRule): T | undefined
  /** What would be right. */
  expected(rule: ValueRule): string
}

const WHOLE = /^-?\d+$/

/** `127.0.0.1:80` or `[::1]:80`. */
export function parseSocketAddress(text: string): SocketAddress | undefined {
  const [, bracketed, plain, portText] = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d+)$/.exec(text) ?? []
  const ip = parseIp(bracketed ?? plain ?? '')
  const port = parsePort(Number(portText))
  return ip !== undefined && port !== undefined ? { ip, port } : undefined
}

/** `unix:PATH`, `unix:` or `IP:PORT`. */
export function parseAdminAddress(text: string): AdminAddress | undefined {
  if (text.startsWith(UNIX)) {
    const path = text.slice(UNIX.length)
    return Buffer.byteLength(path) <= LONGEST_SOCKET_PATH_BYTES && !path.includes('\0') ? { kind: 'unix', path } : undefined
  }
  const address = parseSocketAddress(text)
  return address && { kind: 'tcp', ...address }
}

function parsePortRange(text: string): PortRange | undefined {
  const [, first, second] = /^(\d+)-(\d+)$/.exec(text) ?? []
  const from = parsePort(Number(first))
  const to = parsePort(Number(second))
  return from !== undefined && to !== undefined && from <= to ? [from, to] : undefined
}

const BOOLEANS: Readonly<Record<string, boolean>> = { true: true, '1': true, false: false, '0': false }

/** Node's timers keep no longer ones. */
const LONGEST_TIMEOUT_MS = 2 ** 31 - 1

function within(value: number | undefined, least = 0, most = Number.MAX_SAFE_INTEGER): number | undefined {
  return value !== undefined && value >= least && value <= most ? value : undefined
}

const text: Reading<string> = { parse: (text) => text, expected: () => 'some text' }
const cidr: Reading<Cidr> = { parse: parseCidr, expected: () => 'an address range such as 10.96.0.0/12 or fd00::/108' }

const READINGS: { readonly [Kind in OptionKind]: Reading<KindValues[Kind]> } = {
  text,
  texts: text,
  choice: {
    parse: (text, rule) => (rule.choices?.includes(text) ? text : undefined),
    expected: (rule) => `one of ${rule.choices?.join(', ')}`,
  },
  integer: {
    parse: (text, rule) => within(WHOLE.test(text) ? Number(text) : undefined, rule.least, rule.most),
    expected: ({ least = 0, most }) =>
      most === undefined ? `a whole number, at least ${least}` : `a whole number from ${least} to ${most}`,
  },
  boolean: { parse: (text) => BOOLEANS[text.toLowerCase()], expected: () => 'true or false' },
  duration: {
    parse: (text, rule) => within(parseDuration(text), rule.least, rule.most ?? LONGEST_TIMEOUT_MS),
    expected: ({ least = 0, most }) => {
      const range = most === undefined ? ` from ${showDuration(least)} to 596h,` : ''
      return `a duration${range} such as 250ms, 30s or 1h30m; a bare number is seconds`
    },
  },
  address: {
    parse: (text, { port }) =>
      parseSocketAddress(text) ?? parseSocketAddress(`${text.includes(':') ? `[${text}]` : text}:${port}`),
    expected: () => 'an address and port such as 127.0.0.1:10249 or [::1]:10249, or nothing to switch it off',
  },
  ips: { parse: parseIp, expected: () => 'an IP address such as 192.0.2.10 or 2001:db8::10' },
  cidr,
  cidrs: cidr,
  'node-addresses': {
    parse: (text) => (text === PRIMARY ? text : parseCidr(text)),
    expected: () => `an address range such as 192.0.2.0/24 or 2001:db8::/64, or ${PRIMARY} alone`,
  },
  'access-format': {
    parse: parseAccessFormat,
    expected: () =>
      `json, or a text of at most 1024 characters with fields in it, such as "{time} {client} {service} {end}"; there is ${ACCESS_FIELDS.join(', ')}`,
  },
  programs: {
    parse: parseCheckProgram,
    expected: () =>
      'a name, = and the absolute path of a program with its arguments, such as redis=/usr/bin/redis-cli -h {ip} ping',
  },
  labels: { parse: parseLabel, expected: () => 'a label such as topology.kubernetes.io/zone=zone-a' },
  'port-range': { parse: parsePortRange, expected: () => 'two ports from 1 to 65535 such as 30000-32767, the lower one first' },
  'admin-addresses': {
    parse: parseAdminAddress,
    expected: () => 'an address and port such as 127.0.0.1:10246 or [::1]:10246, or unix:PATH with a path of 107 bytes at most',
  },
}

/** Reads one value of an option; undefined when it is not one. */
export function parseOptionValue<Key extends OptionKey>(rule: ValueRule, text: string): OptionValue<Key> | undefined {
  return parseValue(rule, text) as OptionValue<Key> | undefined
}

/** Reads one value; undefined when it is not one. */
export function parseValue(rule: ValueRule, text: string): KindValues[OptionKind] | undefined {
  return READINGS[rule.kind].parse(text.trim(), rule)
}

/** What would be right, to end a problem with: `must be …`. */
export function expectedValue(rule: ValueRule): string {
  return `must be ${READINGS[rule.kind].expected(rule)}`
}
