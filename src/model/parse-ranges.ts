import { parseCidr, parseIp } from './address.ts'
import { type Cidr, hostRange } from './keys.ts'

/** Addresses and ranges that an annotation may list: they are looked through for each session. */
export const MOST_RANGES = 256

/** Addresses and ranges, with commas between them; single addresses stand for themselves. Undefined: something else, or more than
 *  {@link MOST_RANGES}. */
export function parseRanges(text: string): readonly Cidr[] | undefined {
  const ranges = text.split(',').map((part) => {
    const ip = parseIp(part.trim())
    return ip === undefined ? parseCidr(part.trim()) : hostRange(ip)
  })
  return ranges.length <= MOST_RANGES && !ranges.includes(undefined) ? [...new Set(ranges as Cidr[])] : undefined
}
