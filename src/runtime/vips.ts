import type { Clock } from '../lib/clock.ts'
import { messageOf } from '../lib/errors.ts'
import { type Privileges, readPrivileges } from '../lib/privileges.ts'
import type { Engine } from '../listener/listener.ts'
import type { Configuration } from '../model/config.ts'
import { familyOf, type Ip } from '../model/keys.ts'
import type { Problem } from '../model/problem.ts'
import type { Snapshot } from '../model/snapshot.ts'
import type { Logger } from '../observe/logger.ts'
import { createIpRoute, type IpRoute } from '../vip/iproute.ts'
import { openVipKeeper, type VipKeeper } from '../vip/keeper.ts'
import { addressesInUse } from '../vip/tcp-addresses.ts'
import { planVips, type VipFacts, type VipPlan } from '../vip/vip-mode.ts'
import { type NodeContextOptions, primaryAddress } from './node-context.ts'

/** Addresses that a log line names of many. */
const MOST_SHOWN = 10

/** What one proxy does about addresses of Services that the machine lacks. Disposing it takes back what it made. */
export interface Vips extends AsyncDisposable {
  readonly plan: VipPlan
  /** VIPs that it made local and holds now. */
  readonly held: number
  /** What is wrong with the addresses of a snapshot on this machine. */
  inspect(snapshot: Snapshot): readonly Problem[]
  /** Before its listeners are opened. Never rejects. */
  hold(snapshot: Snapshot): Promise<void>
  /** After its listeners were opened and closed. */
  release(): void
  /** Whether a socket is bound to it although no interface has it. */
  freeBind(ip: Ip): boolean
  /** Whether we added it to an interface. */
  isMade(ip: Ip): boolean
  /** Looks at the machine again. */
  refresh(): void
}

export interface VipsOptions {
  readonly config: Pick<Configuration, 'vipMode' | 'serviceClusterIpRanges' | 'externalIpRanges'>
  readonly engine: Pick<Engine, 'can'>
  readonly node: NodeContextOptions
  readonly clock: Clock
  readonly logger: Logger
  /** What the snapshot says of addresses may be different now. */
  readonly onElsewhere: () => void
}

/** Finds out what decides which VIP modes this process can have. */
export async function readVipFacts(
  engine: 'native' | 'node',
  ip: IpRoute = createIpRoute(),
  privileges: Privileges = readPrivileges(),
): Promise<VipFacts> {
  const iproute = await ip.version()
  return { platform: process.platform, engine, privileges, iproute }
}

/** Chooses the mode and opens what it needs.
 *  @throws ProxyError E_VIP_MODE when the mode that was asked for cannot be had here. */
export async function openVips(options: VipsOptions): Promise<Vips> {
  const { config, engine, logger } = options
  const canFreeBind = engine.can.has('free-bind')
  const { vipMode: wanted } = config
  if (wanted === 'present') return withoutKeeper({ mode: 'present', reason: 'it was asked for' })
  const ip = createIpRoute()
  let plan = planVips(wanted, await readVipFacts(canFreeBind ? 'native' : 'node', ip))
  let keeper: VipKeeper | undefined
  if (plan.mode === 'anyip') {
    try {
      keeper = await openKeeper(options, ip, canFreeBind)
    } catch (error) {
      if (wanted !== 'auto') throw error
      plan = { mode: 'present', reason: `anyip is not possible: ${messageOf(error)}` }
    }
  }
  logger.info('vip.mode', `VIP mode ${plan.mode}: ${plan.reason}`, { mode: plan.mode })
  return keeper ? withKeeper(plan, keeper, canFreeBind) : withoutKeeper(plan)
}

function openKeeper(
  { config, node, clock, logger, onElsewhere }: VipsOptions,
  ip: IpRoute,
  freeBind: boolean,
): Promise<VipKeeper> {
  const { serviceClusterIpRanges: clusterIpRanges, externalIpRanges } = config
  return openVipKeeper({
    rules: { clusterIpRanges, externalIpRanges },
    freeBind,
    ip,
    inUse: addressesInUse,
    sourceFor: (family) => primaryAddress(family, node),
    clock,
    events: {
      changed: (change) => logger.info('vip.changed', 'addresses of this machine changed', { ...change }),
      failed(reason, ips) {
        const shown = ips.length > MOST_SHOWN ? [...ips.slice(0, MOST_SHOWN), `and ${ips.length - MOST_SHOWN} more`] : ips
        logger.error('vip.failed', reason, { key: ips[0] ?? 'machine', ips: shown })
      },
      elsewhere: onElsewhere,
    },
  })
}

function withKeeper(plan: VipPlan, keeper: VipKeeper, canFreeBind: boolean): Vips {
  return {
    plan,
    get held() {
      return keeper.held
    },
    inspect: (snapshot) => keeper.inspect(snapshot),
    hold: (snapshot) => keeper.hold(snapshot),
    release: () => keeper.release(),
    // A local route is enough to bind to IPv4, but not to IPv6.
    freeBind: (ip) => canFreeBind && familyOf(ip) === 6 && keeper.isLocal(ip),
    isMade: (ip) => keeper.isMade(ip),
    refresh: () => keeper.refresh(),
    [Symbol.asyncDispose]: () => keeper[Symbol.asyncDispose](),
  }
}

function withoutKeeper(plan: VipPlan): Vips {
  return {
    plan,
    held: 0,
    inspect: () => [],
    hold: () => Promise.resolve(),
    release() {},
    freeBind: () => plan.mode === 'freebind',
    isMade: () => false,
    refresh() {},
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }
}
