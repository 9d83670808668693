import { SESSION_ENDS } from '../model/session.ts'
import {
  CONNECT_BUCKETS_MS,
  connectBucketCell,
  endCell,
  type LedgerViews,
  SERVICE_COUNTERS,
  type ServiceCounter,
  serviceBase,
} from '../model/shared-layout.ts'

/** What all threads together counted for one Service port. */
export interface ServiceTotals {
  readonly counters: { readonly [Counter in ServiceCounter]: number }
  /** By the position of the end in `SESSION_ENDS`. */
  readonly ends: readonly number[]
  /** Sessions by how long their endpoint took to answer, one entry per `CONNECT_BUCKETS_MS` and one for slower ones. */
  readonly connectTimes: readonly number[]
}

/** Adds up the rows of one Service port. Threads go on counting meanwhile, so the sums are not of one single moment. */
export function serviceTotals(ledger: LedgerViews, slot: number): ServiceTotals {
  const base = serviceBase(slot)
  const counters: Partial<Record<ServiceCounter, number>> = {}
  // The position in the list is the cell.
  for (let cell = 0; cell < SERVICE_COUNTERS.length; cell++) {
    counters[SERVICE_COUNTERS[cell] as ServiceCounter] = sum(ledger, base + cell)
  }
  return {
    counters: counters as Record<ServiceCounter, number>,
    ends: sums(ledger, base + endCell(0), SESSION_ENDS.length),
    connectTimes: sums(ledger, base + connectBucketCell(0), CONNECT_BUCKETS_MS.length + 1),
  }
}

function sums(ledger: LedgerViews, first: number, count: number): number[] {
  const totals: number[] = []
  for (let cell = 0; cell < count; cell++) totals.push(sum(ledger, first + cell))
  return totals
}

function sum(ledger: LedgerViews, cell: number): number {
  let total = 0
  for (const row of ledger.rows) total += row.services[cell] ?? 0
  return total
}
