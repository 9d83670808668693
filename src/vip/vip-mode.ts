import { ProxyError } from '../lib/errors.ts'
import type { Privileges } from '../lib/privileges.ts'

/** How the addresses of Services come to be addresses of this machine, or do not need to be.
 *  `anyip`: they are made local here. `freebind`: sockets are bound whether or not the machine has the address, and routing is
 *  somebody else's. `present`: somebody else gives the machine the address. */
export type VipMode = 'anyip' | 'freebind' | 'present'

/** What decides which modes are possible. */
export interface VipFacts {
  /** As Node calls it. */
  readonly platform: string
  readonly engine: 'native' | 'node'
  readonly privileges: Privileges
  /** What `ip -V` says, or why there is no usable one. */
  readonly iproute: { readonly version: string } | { readonly missing: string }
}

/** Whether a mode is possible here, and what makes or breaks it, in a few words. */
export interface VipModeState {
  readonly mode: VipMode
  readonly possible: boolean
  readonly reason: string
}

/** The mode in force and why it is that one. */
export interface VipPlan {
  readonly mode: VipMode
  readonly reason: string
}

/** Which modes this process can have, best first. */
export function vipModes(facts: VipFacts): readonly VipModeState[] {
  const noAnyIp = whyNoAnyIp(facts)
  const native = facts.engine === 'native'
  return [
    {
      mode: 'anyip',
      possible: noAnyIp === undefined,
      reason: noAnyIp ?? ('version' in facts.iproute ? `CAP_NET_ADMIN and ${facts.iproute.version}` : ''),
    },
    {
      mode: 'freebind',
      possible: native,
      reason: native ? 'the native engine can, without privileges' : 'needs the native engine',
    },
    { mode: 'present', possible: true, reason: 'needs nothing' },
  ]
}

/** Chooses the mode that was asked for. `auto` makes VIPs local where the process may, and otherwise expects them to be there: a
 *  socket that no packet reaches is worse than one that says it cannot be bound, so it never means `freebind`.
 *  @throws ProxyError E_VIP_MODE when the mode that was asked for is not possible; it never falls back. */
export function planVips(wanted: VipMode | 'auto', facts: VipFacts): VipPlan {
  const states = vipModes(facts)
  const stateOf = (mode: VipMode) => states.find((state) => state.mode === mode) as VipModeState
  if (wanted === 'auto') {
    const { possible, reason } = stateOf('anyip')
    return possible ? { mode: 'anyip', reason } : { mode: 'present', reason: `anyip is not possible: ${reason}` }
  }
  const { possible, reason } = stateOf(wanted)
  if (!possible)
    throw new ProxyError('E_VIP_MODE', 'system', `--vip-mode ${wanted}: ${reason}; leave it at auto, or see docs/vips.md`)
  return { mode: wanted, reason: 'it was asked for' }
}

function whyNoAnyIp({ platform, privileges, iproute }: VipFacts): string | undefined {
  if (platform !== 'linux') return `needs Linux, this is "${platform}"`
  if (!privileges.childMay('CAP_NET_ADMIN')) {
    return privileges.may('CAP_NET_ADMIN')
      ? 'CAP_NET_ADMIN is not ambient, so the program "ip" would not have it'
      : 'CAP_NET_ADMIN is missing'
  }
  return 'missing' in iproute ? iproute.missing : undefined
}
