import type { Clock, Timer } from '../lib/clock.ts'
import { messageOf, ProxyError } from '../lib/errors.ts'
import { familyOf, type Ip } from '../model/keys.ts'
import type { Problem } from '../model/problem.ts'
import type { Snapshot } from '../model/snapshot.ts'
import { VipPlanner, type VipRules } from './claims.ts'
import { type Instance, openInstance } from './instance.ts'
import type { IpRoute } from './iproute.ts'
import { type Failures, Machine } from './machine.ts'
import { isPresent, type LocalTable, type Mark } from './marks.ts'

/** How often the machine is looked at: somebody may have taken a route away, or sessions to a VIP that left may have ended. */
const LOOK_EVERY_MS = 30_000
/** The same while something could not be made or removed. */
const RETRY_MS = 5_000

/** VIPs were made local or given up. */
export interface VipChange {
  readonly made: number
  readonly removed: number
  /** Held now. */
  readonly held: number
  /** Not needed, but for TCP sessions that still run to them. */
  readonly leaving: number
}

/** What a keeper tells of itself. */
export interface VipEvents {
  changed(change: VipChange): void
  /** Some could not be made or removed; said once for each reason until it works. */
  failed(reason: string, ips: readonly Ip[]): void
  /** Addresses appeared or went that are none of ours: what {@link VipKeeper.inspect} says may be different now. */
  elsewhere(): void
}

export interface VipKeeperOptions {
  readonly rules: VipRules
  /** Whether sockets can be bound to IPv6 addresses that are local by a route only. */
  readonly freeBind: boolean
  readonly ip: IpRoute
  /** Which of these addresses TCP connections still come to. */
  readonly inUse: (ips: Iterable<Ip>) => Promise<ReadonlySet<Ip>>
  /** The machine's own address that programs here use towards a VIP; undefined: the VIP itself. */
  readonly sourceFor: (family: 4 | 6) => Ip | undefined
  readonly clock: Clock
  readonly events: VipEvents
}

/** Makes the VIPs of snapshots addresses of this machine, and takes back what it made and nobody needs any more. */
export interface VipKeeper extends AsyncDisposable {
  /** VIPs it holds now. */
  readonly held: number
  /** What is wrong with VIPs that this machine does not have and that may not be made. */
  inspect(snapshot: Snapshot): readonly Problem[]
  /** Makes local what a snapshot needs; resolves when that was tried, never rejects. Before its listeners are bound. */
  hold(snapshot: Snapshot): Promise<void>
  /** Gives up what the snapshot held last does not need, in the background; a VIP that TCP sessions run to stays until they
   *  ended. After listeners were closed. */
  release(): void
  /** Whether packets to this address come to this machine, as far as it knows. */
  isLocal(ip: Ip): boolean
  /** Whether an address was added to an interface by an instance of this program, and is no address of the node. */
  isMade(ip: Ip): boolean
  /** Looks at the machine now. */
  refresh(): void
}

/** Opens a keeper and looks at the machine. What a predecessor left that ended without removing it is adopted or removed.
 *  Disposing it removes all it made.
 *  @throws ProxyError E_VIP_MODE when there are too many instances, or the machine cannot be looked at. */
export async function openVipKeeper(options: VipKeeperOptions): Promise<VipKeeper> {
  const machine = new Machine(options.ip)
  await machine.look()
  const instance = await openInstance()
  if (!instance)
    throw new ProxyError(
      'E_VIP_MODE',
      'system',
      'too many instances make VIPs local on this machine: give this one --vip-mode present',
    )
  return new Keeper(options, machine, instance)
}

class Keeper implements VipKeeper {
  readonly #options: VipKeeperOptions
  readonly #machine: Machine
  readonly #instance: Instance
  readonly #planner: VipPlanner
  #snapshot: Snapshot | undefined
  /** What was read of the table last. */
  #read: LocalTable
  /** What this instance made, by address. */
  #own: ReadonlyMap<Ip, Mark> = new Map()
  /** Added to `lo` by any instance. */
  #added: ReadonlySet<Ip> = new Set()
  /** Reasons that were told, by address. */
  readonly #told = new Map<Ip, string>()
  #leaving = 0
  /** Ends when everything begun is done: one thing at a time. */
  #work: Promise<void> = Promise.resolve()
  #releasing = false
  /** What is held now may be gone in a moment. */
  #removing = false
  #leftoversGone = false
  #timer: Timer
  #disposed = false

  constructor(options: VipKeeperOptions, machine: Machine, instance: Instance) {
    this.#options = options
    this.#machine = machine
    this.#instance = instance
    this.#planner = new VipPlanner(options.rules)
    this.#timer = this.#arm(LOOK_EVERY_MS)
    this.#read = machine.table
    this.#take(machine.table)
  }

  get held(): number {
    return this.#own.size
  }

  isLocal(ip: Ip): boolean {
    return this.#own.has(ip) || isPresent(this.#machine.table, ip)
  }

  isMade(ip: Ip): boolean {
    return this.#added.has(ip)
  }

  inspect(snapshot: Snapshot): readonly Problem[] {
    const { wanted, refused } = this.#planner.claimsOf(snapshot)
    const { table } = this.#machine
    const problems: Problem[] = []
    for (const [ip, refusals] of refused) {
      const device = table.hosts.get(ip)
      // What we made and do not want any more is about to go.
      const lasting = wanted.has(ip) || isPresent(table, ip)
      for (const { absent, own } of refusals) {
        if (!lasting) problems.push(absent)
        else if (own && device !== undefined && device !== 'lo') problems.push(own)
      }
    }
    return problems
  }

  hold(snapshot: Snapshot): Promise<void> {
    this.#snapshot = snapshot
    // Most changes need no other addresses, and do not wait for what is under way.
    return !this.#removing && this.#missing().length === 0 ? Promise.resolve() : this.#do(() => this.#make())
  }

  release(): void {
    if (this.#releasing) return
    this.#releasing = true
    void this.#do(async () => {
      this.#releasing = false
      await this.#giveUp()
      if (!this.#leftoversGone) await this.#removeLeftovers()
    })
  }

  refresh(): void {
    void this.#do(async () => {
      const before = this.#read
      const table = await this.#machine.look()
      this.#take(table)
      this.#read = table
      if (!sameElsewhere(before, table)) this.#options.events.elsewhere()
      await this.#make()
      await this.#giveUp()
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#disposed) return
    this.#disposed = true
    this.#timer[Symbol.dispose]()
    await this.#work
    await this.#remove([...this.#own.values()]).catch((error: unknown) => this.#options.events.failed(messageOf(error), []))
    await this.#instance[Symbol.asyncDispose]()
  }

  /** One thing at a time; a failure is told, and tried again later. */
  #do(run: () => Promise<void>): Promise<void> {
    this.#work = this.#work
      .then(() => (this.#disposed ? undefined : run()))
      .catch((error: unknown) => {
        this.#options.events.failed(messageOf(error), [])
        this.#soon()
      })
    return this.#work
  }

  #arm(delayMs: number): Timer {
    return this.#options.clock.after(delayMs, () => {
      this.#timer = this.#arm(LOOK_EVERY_MS)
      this.refresh()
    })
  }

  #soon(): void {
    if (this.#disposed) return
    this.#timer[Symbol.dispose]()
    this.#timer = this.#arm(RETRY_MS)
  }

  #take({ marks }: LocalTable): void {
    this.#own = new Map(marks.filter(({ instance }) => instance === this.#instance.number).map((mark) => [mark.ip, mark]))
    this.#added = new Set(marks.filter(({ address }) => address).map(({ ip }) => ip))
  }

  /** What the snapshot needs and is not there. */
  #missing(): readonly Mark[] {
    const { table } = this.#machine
    const missing: Mark[] = []
    for (const ip of this.#planner.claimsOf(this.#snapshot).wanted) {
      const known = this.#own.get(ip)
      if (known ? !(known.address && table.incomplete.has(ip)) : isPresent(table, ip)) continue
      const address = familyOf(ip) === 6 && !this.#options.freeBind
      missing.push(known ?? { ip, instance: this.#instance.number, address })
    }
    return missing
  }

  async #make(): Promise<void> {
    const missing = this.#missing()
    if (missing.length === 0) return
    const failures = await this.#machine.make(missing, this.#options.sourceFor)
    this.#done(missing, failures, { made: missing.length - failures.size, removed: 0 })
  }

  /** Gives up what nobody needs, or what the machine has by now without us. */
  async #giveUp(): Promise<void> {
    const { table } = this.#machine
    const { wanted } = this.#planner.claimsOf(this.#snapshot)
    const unwanted: Mark[] = []
    const superfluous: Mark[] = []
    for (const mark of this.#own.values()) {
      if (isPresent(table, mark.ip)) superfluous.push(mark)
      else if (!wanted.has(mark.ip)) unwanted.push(mark)
    }
    const inUse = unwanted.length === 0 ? undefined : await this.#options.inUse(unwanted.map(({ ip }) => ip))
    this.#leaving = inUse?.size ?? 0
    // A snapshot that came meanwhile may want some of them again.
    const stillWanted = this.#planner.claimsOf(this.#snapshot).wanted
    await this.#remove([...superfluous, ...unwanted.filter(({ ip }) => !inUse?.has(ip) && !stillWanted.has(ip))])
  }

  async #remove(marks: readonly Mark[]): Promise<void> {
    if (marks.length === 0) return
    this.#removing = true
    try {
      const failures = await this.#machine.remove(marks)
      this.#done(marks, failures, { made: 0, removed: marks.length - failures.size })
    } finally {
      this.#removing = false
    }
  }

  /** Once, after the first snapshot: what it needs of that is held by then, so that no VIP is gone for a moment. */
  async #removeLeftovers(): Promise<void> {
    this.#leftoversGone = true
    const { removed, failed } = await this.#machine.removeLeftovers(this.#instance.number)
    this.#done([], failed, { made: 0, removed: removed.length })
  }

  #done(tried: readonly Mark[], failures: Failures, change: Pick<VipChange, 'made' | 'removed'>): void {
    this.#take(this.#machine.table)
    for (const { ip } of tried) if (!failures.has(ip)) this.#told.delete(ip)
    const news = new Map<string, Ip[]>()
    for (const [ip, reason] of failures) {
      if (this.#told.get(ip) === reason) continue
      this.#told.set(ip, reason)
      const ips = news.get(reason) ?? []
      ips.push(ip)
      news.set(reason, ips)
    }
    for (const [reason, ips] of news) this.#options.events.failed(reason, ips)
    if (change.made + change.removed > 0)
      this.#options.events.changed({ ...change, held: this.#own.size, leaving: this.#leaving })
    if (failures.size > 0) this.#soon()
  }
}

/** Whether what others made local is the same. */
function sameElsewhere(a: LocalTable, b: LocalTable): boolean {
  if (a.hosts.size !== b.hosts.size || a.ranges.join() !== b.ranges.join()) return false
  for (const [ip, device] of b.hosts) if (a.hosts.get(ip) !== device) return false
  return true
}
