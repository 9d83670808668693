import { eventually } from './eventually.ts'

/** So often the same in a row is taken for the last word. */
const LOOKS = 20

/** Resolves with a number once it is above 0 and has stopped changing. */
export async function steady(read: () => number): Promise<number> {
  let before = 0
  let same = 0
  return await eventually(() => {
    const now = read()
    same = now === before && now > 0 ? same + 1 : 0
    before = now
    if (same < LOOKS) throw new Error(`still changing: ${now}`)
    return now
  })
}
