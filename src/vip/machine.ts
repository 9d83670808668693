import { ProxyError } from '../lib/errors.ts'
import { familyOf, type Ip } from '../model/keys.ts'
import { takeInstance } from './instance.ts'
import type { IpRoute } from './iproute.ts'
import { addingOf, type LocalTable, type Mark, markingOf, readLocalTable, unmakingOf } from './marks.ts'

const FAMILIES = [4, 6] as const
const EMPTY: LocalTable = { marks: [], hosts: new Map(), ranges: [], incomplete: new Set() }
const NOT_THERE = 'nothing failed, and still it is not there'
const STILL_THERE = 'nothing failed, and still it is there'

/** What could not be done, with the reason. */
export type Failures = ReadonlyMap<Ip, string>

/** The local addresses of this machine: what they are, and what this program adds and takes away. Nothing here decides which. */
export class Machine {
  readonly #ip: IpRoute
  #table = EMPTY

  constructor(ip: IpRoute) {
    this.#ip = ip
  }

  /** As it was when it was looked at last, and what was done since. */
  get table(): LocalTable {
    return this.#table
  }

  /** Reads which addresses are local, and by whose hand.
   *  @throws ProxyError E_VIP_MODE when the machine cannot be read. */
  async look(): Promise<LocalTable> {
    const json: string[] = []
    for (const output of await Promise.all(FAMILIES.map((family) => this.#ip.localRoutes(family)))) {
      if ('failed' in output)
        throw new ProxyError(
          'E_VIP_MODE',
          'system',
          `cannot read local addresses: ${output.failed}; see that "ip route show table local" works here`,
        )
      json.push(output.json)
    }
    this.#table = readLocalTable(json)
    return this.#table
  }

  /** Makes addresses local; those that are marked already lack the address only. */
  async make(marks: readonly Mark[], sourceFor: (family: 4 | 6) => Ip | undefined): Promise<Failures> {
    const known = new Set(this.#table.marks)
    const source = { 4: sourceFor(4), 6: sourceFor(6) }
    const failures = await this.#run(marks, (mark) => {
      const marking = known.has(mark) ? [] : [markingOf(mark, source[familyOf(mark.ip)])]
      return mark.address ? [...marking, addingOf(mark)] : marking
    })
    if (failures.size === 0 && this.#table.incomplete.size === 0) {
      this.#table = { ...this.#table, marks: [...this.#table.marks, ...marks] }
      return failures
    }
    const { marks: there, incomplete } = await this.look()
    const whole = new Set(there.filter(({ ip, address }) => !(address && incomplete.has(ip))).map(identityOf))
    return reasonsOf(marks, (mark) => whole.has(identityOf(mark)), failures, NOT_THERE)
  }

  /** Takes away what was made; an address that another instance needs as well stays. */
  async remove(marks: readonly Mark[]): Promise<Failures> {
    // Another instance may have come to need an address meanwhile.
    if (marks.some(({ address }) => address)) await this.look()
    const needed = new Map<Ip, number>()
    for (const { ip, address } of this.#table.marks) if (address) needed.set(ip, (needed.get(ip) ?? 0) + 1)
    const failures = await this.#run(marks, (mark) => unmakingOf(mark, (needed.get(mark.ip) ?? 0) > 1))
    if (failures.size === 0) {
      const gone = new Set(marks.map(identityOf))
      this.#table = { ...this.#table, marks: this.#table.marks.filter((mark) => !gone.has(identityOf(mark))) }
      return failures
    }
    const left = new Set((await this.look()).marks.map(identityOf))
    return reasonsOf(marks, (mark) => !left.has(identityOf(mark)), failures, STILL_THERE)
  }

  /** Takes away what instances left that are no more; says what belongs to living ones. `own`: the number of the instance that
   *  asks. */
  async removeLeftovers(
    own?: number,
  ): Promise<{ readonly removed: readonly Ip[]; readonly failed: Failures; readonly inUse: readonly Ip[] }> {
    const removed: Ip[] = []
    const inUse: Ip[] = []
    const failed = new Map<Ip, string>()
    const numbers = new Set(this.#table.marks.map(({ instance }) => instance))
    for (const number of numbers) {
      if (number === own) continue
      const marks = this.#table.marks.filter(({ instance }) => instance === number)
      // Whoever holds its number cannot be anyone who made these.
      await using dead = await takeInstance(number)
      const failures = dead ? await this.remove(marks) : undefined
      for (const { ip } of marks) {
        const reason = failures?.get(ip)
        if (!failures) inUse.push(ip)
        else if (reason === undefined) removed.push(ip)
        else failed.set(ip, reason)
      }
    }
    return { removed, failed, inUse }
  }

  /** Does commands for each mark; what failed, by address. */
  async #run(marks: readonly Mark[], commandsFor: (mark: Mark) => readonly string[]): Promise<Failures> {
    const failures = new Map<Ip, string>()
    for (const family of FAMILIES) {
      const commands: string[] = []
      const owners: Ip[] = []
      for (const mark of marks) {
        if (familyOf(mark.ip) !== family) continue
        for (const command of commandsFor(mark)) {
          commands.push(command)
          owners.push(mark.ip)
        }
      }
      if (commands.length === 0) continue
      for (const [line, reason] of await this.#ip.batch(family, commands)) failures.set(owners[line] as Ip, reason)
    }
    return failures
  }
}

function reasonsOf(marks: readonly Mark[], done: (mark: Mark) => boolean, told: Failures, otherwise: string): Failures {
  const failed = marks.filter((mark) => !done(mark))
  return new Map(failed.map(({ ip }) => [ip, told.get(ip) ?? otherwise]))
}

function identityOf({ ip, instance, address }: Mark): string {
  return `${ip} ${instance} ${address}`
}
