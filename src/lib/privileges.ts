import { readFileSync } from 'node:fs'

/** Linux capabilities that are looked at, by their number. */
export const CAPABILITIES = { CAP_NET_BIND_SERVICE: 10, CAP_NET_ADMIN: 12, CAP_NET_RAW: 13 } as const
export type CapabilityName = keyof typeof CAPABILITIES

/** What this process may do. */
export interface Privileges {
  /** Whether this process may do it itself. */
  may(name: CapabilityName): boolean
  /** Whether a program that it starts may do it as well: what is not root hands on ambient capabilities only. */
  childMay(name: CapabilityName): boolean
}

const NONE: Privileges = { may: () => false, childMay: () => false }

/** Reads the text of `/proc/PID/status`. */
export function parsePrivileges(status: string): Privileges {
  const mask = (field: string) => BigInt(`0x${new RegExp(`^${field}:\\s*([0-9a-f]+)$`, 'm').exec(status)?.[1] ?? '0'}`)
  const has = (bits: bigint, name: CapabilityName) => ((bits >> BigInt(CAPABILITIES[name])) & 1n) === 1n
  const effective = mask('CapEff')
  const isRoot = /^Uid:\s*\d+\s+0\s/m.test(status)
  const handedOn = isRoot ? mask('CapBnd') & effective : mask('CapAmb')
  return { may: (name) => has(effective, name), childMay: (name) => has(handedOn, name) }
}

/** What this process may do now; nothing where the system does not tell. */
export function readPrivileges(): Privileges {
  try {
    return parsePrivileges(readFileSync('/proc/self/status', 'latin1'))
  } catch {
    return NONE
  }
}
