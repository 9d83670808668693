const UNIT_MS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  μs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
}
const NUMBER = String.raw`(?:\d+\.?\d*|\.\d+)`
const BARE = new RegExp(`^${NUMBER}$`)
const PARTS = new RegExp(`^(?:${NUMBER}(?:ns|us|µs|μs|ms|s|m|h))+$`)
const PART = new RegExp(`(${NUMBER})(ns|us|µs|μs|ms|s|m|h)`, 'g')

/** What Go's 64-bit nanoseconds can hold. */
export const LONGEST_DURATION_MS = 2 ** 63 / 1e6

/** A Go duration (`250ms`, `1h30m`, `1.5s`) or a bare number of seconds, in milliseconds; undefined when it is neither,
 *  negative, or longer than Go allows. */
export function parseDuration(text: string): number | undefined {
  let ms = 0
  if (BARE.test(text)) ms = round(Number(text) * 1000)
  else if (PARTS.test(text)) {
    for (const [, count, unit] of text.matchAll(PART)) ms += round(Number(count) * (UNIT_MS[unit as string] as number))
  } else return undefined
  return ms < LONGEST_DURATION_MS ? round(ms) : undefined
}

/** Milliseconds as a Go duration without empty parts: `1h30m`, `1.5s`, `250ms`, `0s`. {@link parseDuration} reads it back. */
export function showDuration(ms: number): string {
  if (!(ms > 0)) return '0s'
  if (ms < 1000) return `${round(ms)}ms`
  const hours = Math.floor(ms / 3_600_000)
  const minutes = Math.floor((ms % 3_600_000) / 60_000)
  const seconds = round(ms % 60_000) / 1000
  return `${hours ? `${hours}h` : ''}${minutes ? `${minutes}m` : ''}${seconds ? `${seconds}s` : ''}`
}

/** Takes away what binary fractions add: 2.3 s are 2300 ms, not 2299.9999999999995. To the nanosecond while a number can
 *  hold it (104 days), then to the microsecond. */
function round(ms: number): number {
  const steps = ms * 1e6 < Number.MAX_SAFE_INTEGER ? 1e6 : 1e3
  return Math.round(ms * steps) / steps
}
