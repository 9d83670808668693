import type { Clock, Timer } from '../../lib/clock.ts'
import type { Status } from '../../model/status.ts'
import { ratesBetween, type TopRates } from '../../observe/status-rates.ts'
import { History, type HistoryView, type Sample, sampleOf } from './history.ts'

/** How often a sample is taken, and how many are kept: a quarter of an hour. */
export const SAMPLE_MS = 5_000
const SAMPLES = 180
/** 5.8 kB each. */
const MOST_SERVICES = 2_000
/** Nobody looks any more. */
const UNASKED_MS = 3_600_000

/** What `GET /portald/v1/history` answers. */
export interface HistoryAnswer extends HistoryView {
  readonly intervalMs: number
  /** Of the last interval, by Service port; empty until there was one. */
  readonly latest: { readonly [service: string]: Sample }
}

/** Looks at a proxy every few seconds, from when somebody first asks until nobody has for an hour. */
export interface Sampler extends Disposable {
  /** Of everything together, or of one Service port. */
  read(service?: string): HistoryAnswer
}

/** Makes one that does nothing yet. */
export function createSampler(look: () => Status, clock: Clock): Sampler {
  let history = new History(SAMPLES, MOST_SERVICES)
  let before: Status | undefined
  let latest: TopRates | undefined
  let askedAtMs = 0
  let timer: Timer | undefined

  function sample(): void {
    timer = undefined
    if (clock.now() - askedAtMs > UNASKED_MS) {
      history = new History(SAMPLES, MOST_SERVICES)
      before = undefined
      latest = undefined
      return
    }
    timer = clock.after(SAMPLE_MS, sample)
    const now = look()
    if (before) {
      latest = ratesBetween(before, now)
      history.add(Date.parse(now.time), latest)
    }
    before = now
  }

  return {
    read(service) {
      askedAtMs = clock.now()
      if (!timer) sample()
      const services = latest?.services ?? []
      return {
        ...history.read(service),
        intervalMs: SAMPLE_MS,
        latest: Object.fromEntries(services.map((rates) => [rates.service, sampleOf(rates)])),
      }
    },
    [Symbol.dispose]() {
      timer?.[Symbol.dispose]()
    },
  }
}
