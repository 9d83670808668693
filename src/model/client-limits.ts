import type { Cidr } from './keys.ts'

/** So many in so long, and how many at once after a quiet time. */
export interface Rate {
  readonly count: number
  readonly perMs: number
  /** At least 1. */
  readonly burst: number
}

/** Which bits of an address make a client: all that share them are one. */
export interface ClientPrefix {
  /** 0 to 32. */
  readonly ipv4: number
  /** 0 to 128. */
  readonly ipv6: number
}

/** What counts as one client where nobody says otherwise: an IPv4 address, and the network that an IPv6 host can choose its
 *  addresses in (RFC 4291, 2.5.4). */
export const DEFAULT_LIMIT_PREFIX: ClientPrefix = { ipv4: 32, ipv6: 64 }

/** What becomes of clients that are turned away: reset at once, left without an answer for a while, or, where they only came too
 *  fast, served a moment later. */
export const TURN_AWAY = ['refuse', 'drop', 'delay'] as const
export type TurnAway = (typeof TURN_AWAY)[number]

/** How many sessions a client may have at once; undefined: any number. */
export interface ClientSessionLimit {
  readonly tcp: number | undefined
  readonly udp: number | undefined
  readonly sctp: number | undefined
}

/** What a Service's clients are held to, as asked for. */
export interface ClientLimits {
  /** Clients inside one of these are served; undefined: everyone. */
  readonly allowFrom: readonly Cidr[] | undefined
  /** Clients inside one of these are not, whatever else holds. */
  readonly denyFrom: readonly Cidr[] | undefined
  /** Undefined: any number. */
  readonly clientSessions: ClientSessionLimit | undefined
  /** New sessions of a client; undefined: as fast as it can. */
  readonly clientRate: Rate | undefined
  /** New sessions of all clients of a Service port; undefined: as fast as they can. */
  readonly serviceRate: Rate | undefined
  readonly turnAway: TurnAway
}

/** What one route's clients are held to: plain data. */
export interface ClientRules {
  /** Clients inside one of these are served; empty: everyone. */
  readonly allow: readonly Cidr[]
  /** Clients inside one of these are not, whatever `allow` says. */
  readonly deny: readonly Cidr[]
  readonly sessions: number | undefined
  readonly clientRate: Rate | undefined
  readonly serviceRate: Rate | undefined
  readonly prefix: ClientPrefix
  readonly turnAway: TurnAway
}
