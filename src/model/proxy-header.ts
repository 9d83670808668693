import type { Cidr } from './keys.ts'

/** The PROXY header that a Service's endpoints are sent ahead of everything else, as asked for. */
export interface SendProxy {
  readonly version: 1 | 2
  /** v2: names the session. */
  readonly uniqueId: boolean
  /** v2: with a checksum of itself. */
  readonly crc32c: boolean
  /** v2: passes on what the client's own header says beyond addresses. */
  readonly receivedTlvs: boolean
  /** v2: values of an application's own. */
  readonly customTlvs: readonly CustomTlv[]
}

/** A value of an application's own. */
export interface CustomTlv {
  /** {@link FIRST_CUSTOM_TLV} to {@link LAST_CUSTOM_TLV}. */
  readonly type: number
  /** Facts stand in it as {@link CUSTOM_TLV_FACTS} names them, in braces. */
  readonly text: string
}

/** The types that the specification leaves to applications. */
export const FIRST_CUSTOM_TLV = 0xe0
export const LAST_CUSTOM_TLV = 0xef
/** What `{…}` in a value may say: `default/web:http/TCP`, and `10.96.0.10:80`. */
export const CUSTOM_TLV_FACTS = ['service', 'listener'] as const

/** The same for one route, as far as it is the same for all its sessions: plain data. */
export interface Prelude {
  readonly version: 1 | 2
  /** What comes before a session's number in its unique id; undefined: there is none. */
  readonly uniqueIdPrefix: string | undefined
  readonly crc32c: boolean
  readonly receivedTlvs: boolean
  /** Values of an application's own, ready to be written. */
  readonly customTlvs: Uint8Array
}

/** Who must say, ahead of everything else, on whose behalf it connects: plain data. */
export interface AcceptProxy {
  /** Everybody else is denied. */
  readonly from: readonly Cidr[]
  /** How long the header may take to come. */
  readonly withinMs: number
}
