import type { TimedRates, TopRates } from '../../observe/status-rates.ts'

/** What is remembered of each moment. */
const SERIES = ['active', 'begun', 'bytesIn', 'bytesOut', 'errors', 'failures', 'p50Ms', 'p99Ms'] as const
type Series = (typeof SERIES)[number]

/** A sample's numbers; null where nothing was known. Rates are each second. */
export type Sample = { readonly [Name in Series]: number | null }

/** What was remembered, oldest first. Plain data. */
export interface HistoryView {
  /** When each sample was taken, in milliseconds since 1970. */
  readonly times: readonly number[]
  /** Of each series as many numbers as there are times. */
  readonly series: { readonly [Name in Series]: readonly (number | null)[] }
}

/** Rates of the last while, of everything together and of each Service port, in rings of fixed size. */
export class History {
  readonly #size: number
  readonly #most: number
  readonly #times: Float64Array
  readonly #all: Float32Array
  readonly #services = new Map<string, Float32Array>()
  /** How many were taken ever; the next goes to this place, modulo the size. */
  #taken = 0

  /** Remembers `size` samples of at most `most` Service ports; those beyond that have none of their own. */
  constructor(size: number, most: number) {
    this.#size = size
    this.#most = most
    this.#times = new Float64Array(size)
    this.#all = this.#ring()
  }

  /** Remembers what happened up to a time, and forgets the oldest sample and Service ports that are gone. */
  add(atMs: number, { all, services }: Pick<TopRates, 'all' | 'services'>): void {
    const place = this.#taken++ % this.#size
    this.#times[place] = atMs
    write(this.#all, place, all)
    const gone = new Set(this.#services.keys())
    for (const rates of services) gone.delete(rates.service)
    for (const service of gone) this.#services.delete(service)
    for (const rates of services) {
      const ring = this.#services.get(rates.service) ?? (this.#services.size < this.#most ? this.#ring() : undefined)
      if (!ring) continue
      this.#services.set(rates.service, ring)
      write(ring, place, rates)
    }
  }

  /** Of everything together, or of one Service port; nothing where that is not known. */
  read(service?: string): HistoryView {
    const ring = service === undefined ? this.#all : this.#services.get(service)
    const count = ring ? Math.min(this.#taken, this.#size) : 0
    const places = Array.from({ length: count }, (_, n) => (this.#taken - count + n) % this.#size)
    const of = (series: number) => places.map((place) => plain(ring?.[place * SERIES.length + series]))
    return {
      times: places.map((place) => this.#times[place] as number),
      series: Object.fromEntries(SERIES.map((name, n) => [name, of(n)])) as unknown as HistoryView['series'],
    }
  }

  #ring(): Float32Array {
    return new Float32Array(this.#size * SERIES.length).fill(Number.NaN)
  }
}

/** One sample as plain data. */
export function sampleOf(rates: TimedRates): Sample {
  return Object.fromEntries(SERIES.map((name) => [name, plain(rates[name])])) as Sample
}

function write(ring: Float32Array, place: number, rates: TimedRates): void {
  for (const [n, name] of SERIES.entries()) ring[place * SERIES.length + n] = rates[name] ?? Number.NaN
}

/** Four digits are more than a picture shows. */
function plain(value: number | undefined): number | null {
  return value === undefined || Number.isNaN(value) ? null : Number(value.toPrecision(4))
}
