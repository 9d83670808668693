const SIZES = ['', 'k', 'M', 'G', 'T', 'P'] as const

/** A count or a number of bytes in five characters at most: `999`, `1.2k`, `34M`. */
export function showSize(value: number): string {
  let size = 0
  let left = value
  while (left >= 999.5 && size < SIZES.length - 1) {
    left /= 1000
    size++
  }
  const digits = size > 0 && left < 9.95 ? left.toFixed(1) : Math.round(left).toFixed(0)
  return `${digits}${SIZES[size]}`
}

/** A time span in its two largest units at most: `850ms`, `12s`, `3m20s`, `5h2m`, `12d4h`. */
export function showSpan(ms: number): string {
  if (ms < 1000) return `${Math.max(0, Math.round(ms))}ms`
  const seconds = Math.floor(ms / 1000)
  if (seconds < 60) return `${seconds}s`
  if (seconds < 3_600) return `${Math.floor(seconds / 60)}m${seconds % 60}s`
  if (seconds < 86_400) return `${Math.floor(seconds / 3_600)}h${Math.floor((seconds % 3_600) / 60)}m`
  return `${Math.floor(seconds / 86_400)}d${Math.floor((seconds % 86_400) / 3_600)}h`
}

/** Milliseconds of a connection, in five characters at most. */
export function showMs(ms: number | undefined): string {
  if (ms === undefined) return '-'
  return ms < 9.95 ? ms.toFixed(1) : showSize(ms)
}

/** How long ago a time was, by the clock of whoever said it. */
export function showAgo(time: string, now: string): string {
  return showSpan(Date.parse(now) - Date.parse(time))
}
