const SIZES = ['', 'k', 'M', 'G', 'T', 'P']

/** A count, a rate or a number of bytes in five characters at most: `0.5`, `999`, `1.2k`, `34M`; `–` where it is not known.
 *  @param {number | null | undefined} value */
export function showSize(value) {
  if (value === null || value === undefined) return '–'
  let left = value
  let size = 0
  while (left >= 999.5 && size < SIZES.length - 1) {
    left /= 1000
    size++
  }
  const digits = left !== 0 && left < 9.95 && (size > 0 || !Number.isInteger(left)) ? left.toFixed(1) : left.toFixed(0)
  return `${digits}${SIZES[size]}`
}

/** A span of time in its two largest units: `12s`, `3m 20s`, `5h 2m`.
 *  @param {number} ms */
export function showSpan(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000))
  if (seconds < 60) return `${seconds}s`
  if (seconds < 3_600) return `${Math.floor(seconds / 60)}m ${seconds % 60}s`
  if (seconds < 86_400) return `${Math.floor(seconds / 3_600)}h ${Math.floor((seconds % 3_600) / 60)}m`
  return `${Math.floor(seconds / 86_400)}d ${Math.floor((seconds % 86_400) / 3_600)}h`
}

/** A whole number with its thousands apart.
 *  @param {number} value */
export function showCount(value) {
  return value.toLocaleString('en')
}

/** `1 session`, `2 sessions`.
 *  @param {number} count
 *  @param {string} noun */
export function showNumber(count, noun) {
  return `${showCount(count)} ${noun}${count === 1 ? '' : 's'}`
}
