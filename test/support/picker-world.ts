import type { Picker } from '../../src/balancer/picker.ts'
import { createPicker } from '../../src/balancer/tiers.ts'
import { type Random, seededRandom } from '../../src/lib/random.ts'
import { fillClientAddress } from '../../src/model/address.ts'
import type { RouteEndpoint } from '../../src/model/delta.ts'
import type { Ip } from '../../src/model/keys.ts'
import type { SchedulerName } from '../../src/model/service.ts'
import type { ClientAddress, Tried } from '../../src/model/session.ts'
import {
  createSharedState,
  type EndpointWord,
  endpointWord,
  groupOf,
  ledgerViews,
  ROTATIONS,
  type SharedState,
} from '../../src/model/shared-layout.ts'

/** The Service slot and rotation word that the pickers of a {@link PickerWorld} have. */
export const SERVICE_SLOT = 1
export const ROTATION = SERVICE_SLOT * ROTATIONS + 1

/** 10.x.y.z and some port. */
export function aClient(n = 1, port = 40_000): ClientAddress {
  return { word0: 0, word1: 0, word2: 0xffff, word3: 0x0a000000 + n, port }
}

export function clientAt(ip: string): ClientAddress {
  const client = { word0: 0, word1: 0, word2: 0, word3: 0, port: 40_000 }
  fillClientAddress(ip, 40_000, client)
  return client
}

/** Endpoints 10.1.0.1, 10.1.0.2, …, in slots that are not their positions; one weight each. */
export function endpointsWeighing(...weights: number[]): RouteEndpoint[] {
  return weights.map((weight, n) => ({
    slot: 3 * n + 5,
    key: `10.1.${n >> 8}.${(n & 255) + 1}:80/TCP` as RouteEndpoint['key'],
    address: { ip: `10.1.${n >> 8}.${(n & 255) + 1}`, port: 80 } as RouteEndpoint['address'],
    weight,
    backup: false,
  }))
}

/** `count` endpoints of the same weight. */
export function someEndpoints(count: number): RouteEndpoint[] {
  return endpointsWeighing(...Array.from({ length: count }, () => 1))
}

export function refusedBy(...endpoints: (RouteEndpoint | undefined)[]): Tried[] {
  return endpoints.map((endpoint) => ({ lease: endpoint?.slot ?? -1, end: 'connect-refused' }))
}

/** The positions of `count` picks by different clients. */
export function picks(picker: Picker, count: number): number[] {
  return Array.from({ length: count }, (_, n) => picker.pick(aClient(n), []))
}

export interface PickerWorldOptions {
  /** The rotation word at the beginning. */
  readonly word?: number
  /** Threads that run sessions. */
  readonly rows?: number
  readonly random?: Random
  readonly panicPercent?: number
}

/** What pickers are made of: shared memory, chance and time. */
export class PickerWorld {
  readonly shared: SharedState
  readonly views: ReturnType<typeof ledgerViews>
  nowMs = 1_000
  readonly #random: Random
  readonly #panicPercent: number

  constructor({ word = 0, rows = 1, random = seededRandom(7), panicPercent = 0 }: PickerWorldOptions = {}) {
    this.shared = createSharedState({ rows, serviceSlots: 2, endpointSlots: 4_096, affinityEntries: 32, recordsPerRing: 2 })
    this.views = ledgerViews(this.shared)
    this.views.rotations[ROTATION] = word
    this.#random = random
    this.#panicPercent = panicPercent
  }

  picker(scheduler: SchedulerName, endpoints: readonly RouteEndpoint[], row = 0, ip = '192.0.2.1'): Picker {
    return createPicker(scheduler, endpoints, {
      ledger: this.views,
      row,
      serviceSlot: SERVICE_SLOT,
      rotation: ROTATION,
      ip: ip as Ip,
      panicPercent: this.#panicPercent,
      random: this.#random,
      now: () => this.nowMs,
    })
  }

  /** Sessions begin (or end) on an endpoint. */
  count({ slot }: RouteEndpoint, change = 1, row = 0): void {
    const { active, changes } = this.views.rows[row] as (typeof this.views.rows)[number]
    active[slot] = (active[slot] as number) + change
    changes[groupOf(slot)] = (changes[groupOf(slot)] as number) + 1
  }

  /** Sessions that run on each endpoint. */
  active(endpoints: readonly RouteEndpoint[]): number[] {
    return endpoints.map(({ slot }) => this.views.rows.reduce((sum, { active }) => sum + (active[slot] as number), 0))
  }

  /** The positions of `count` picks by different clients, whose sessions all stay. */
  fill(picker: Picker, endpoints: readonly RouteEndpoint[], count: number, row = 0): number[] {
    return Array.from({ length: count }, (_, n) => {
      const position = picker.pick(aClient(n), [])
      this.count(endpoints[position] as RouteEndpoint, 1, row)
      return position
    })
  }

  /** Lays something over the weight of an endpoint. */
  lay({ slot }: RouteEndpoint, word: EndpointWord, value: number): void {
    Atomics.store(this.views.endpointWords, endpointWord(slot, word), value)
    Atomics.add(this.views.weightVersions, SERVICE_SLOT, 1)
  }
}
