/** A value over the rounds of one run. */
export interface Spread {
  readonly median: number
  readonly min: number
  readonly max: number
  readonly count: number
}

export function median(values: readonly number[]): number | undefined {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle]
  if (upper === undefined) return undefined
  const lower = sorted.length % 2 === 0 ? sorted[middle - 1] : upper
  return lower === undefined ? upper : (lower + upper) / 2
}

export function spreadOf(values: readonly number[]): Spread | undefined {
  const middle = median(values)
  if (middle === undefined) return undefined
  return { median: middle, min: Math.min(...values), max: Math.max(...values), count: values.length }
}

/** One value a round; undefined where the round has none. */
export type Series = readonly (number | undefined)[]

export function presentValues(series: Series): number[] {
  return series.filter((value) => value !== undefined)
}

/** The ratio within each round, then its spread: a drift of the machine over the run falls out. */
export function pairedRatio(series: Series, reference: Series): Spread | undefined {
  const ratios: number[] = []
  for (const [round, value] of series.entries()) {
    const base = reference[round]
    if (value !== undefined && base !== undefined && base > 0) ratios.push(value / base)
  }
  return spreadOf(ratios)
}
