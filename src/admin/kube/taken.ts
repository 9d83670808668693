import { parseIp } from '../../model/address.ts'
import { isMapping } from '../../model/findings.ts'
import type { Ip } from '../../model/keys.ts'
import { compareNames } from '../../store/object-map.ts'
import type { ObjectStore, StoredObject } from '../../store/store.ts'
import type { Mapping } from './outcome.ts'
import { listAt, mappingAt, textAt } from './values.ts'

/** What one Service has. */
interface Held {
  readonly ips: ReadonlySet<Ip>
  readonly ports: ReadonlySet<number>
}

/** Which addresses and ports Services have, and how many of them. */
export interface Taken {
  countIp(ip: Ip): number
  countPort(port: number): number
}

const NOTHING: readonly StoredObject[] = []
const indexes = new WeakMap<ObjectStore, TakenIndex>()

/** What the Services of a list have. `store`: where they are from. Costs what changed since it was asked last. */
export function takenIn(store: ObjectStore, services: readonly StoredObject[]): Taken {
  const index = indexes.get(store) ?? new TakenIndex()
  indexes.set(store, index)
  index.become(services)
  return index
}

/** What a Service says that it has. */
export function heldBy(object: Mapping): Held {
  const ips = [textAt(object, 'spec', 'clusterIP'), ...listAt(object, 'spec', 'clusterIPs')].flatMap((ip) => {
    const parsed = typeof ip === 'string' ? parseIp(ip) : undefined
    return parsed === undefined ? [] : [parsed]
  })
  return { ips: new Set(ips), ports: new Set(portsOf(object)) }
}

/** The ports of nodes that a Service has. */
export function portsOf(object: Mapping): number[] {
  const numbers = listAt(object, 'spec', 'ports').map((port) => (isMapping(port) ? port['nodePort'] : undefined))
  return [...numbers, mappingAt(object, 'spec')['healthCheckNodePort']].filter(
    (port): port is number => typeof port === 'number' && port > 0,
  )
}

class TakenIndex implements Taken {
  readonly #ips = new Map<Ip, number>()
  readonly #ports = new Map<number, number>()
  #services = NOTHING

  countIp(ip: Ip): number {
    return this.#ips.get(ip) ?? 0
  }

  countPort(port: number): number {
    return this.#ports.get(port) ?? 0
  }

  /** Both lists are in the order of their names. */
  become(services: readonly StoredObject[]): void {
    const before = this.#services
    let [at, next] = [0, 0]
    for (;;) {
      const [old, now] = [before[at], services[next]]
      if (!old && !now) break
      const order = !old ? 1 : !now ? -1 : old === now ? 0 : compareNames(old.key, now.key)
      if (order <= 0) at++
      if (order >= 0) next++
      if (old === now) continue
      if (old && order <= 0) this.#count(old, -1)
      if (now && order >= 0) this.#count(now, 1)
    }
    this.#services = services
  }

  #count({ value }: StoredObject, by: 1 | -1): void {
    const { ips, ports } = heldBy(value)
    for (const ip of ips) add(this.#ips, ip, by)
    for (const port of ports) add(this.#ports, port, by)
  }
}

function add<Key>(counts: Map<Key, number>, key: Key, by: 1 | -1): void {
  const count = (counts.get(key) ?? 0) + by
  if (count > 0) counts.set(key, count)
  else counts.delete(key)
}
