import { eventually } from './eventually.ts'

/** What runs while clients come and go. */
export interface Load {
  /** Rounds all clients have made so far. */
  readonly rounds: number
  /** Resolves when whatever was under way at the call is over: every client has begun and ended another round. */
  turnsOver(): Promise<void>
}

/** Runs `client` again and again in `clients` loops for as long as `body` takes. What fails in either fails it all.
 *  Resolves with the number of rounds. */
export async function underLoad(
  clients: number,
  client: () => Promise<unknown>,
  body: (load: Load) => Promise<void>,
): Promise<number> {
  let over = false
  const made = Array.from({ length: clients }, () => 0)
  const load: Load = {
    get rounds() {
      return made.reduce((sum, rounds) => sum + rounds, 0)
    },
    async turnsOver() {
      const before = [...made]
      await eventually(() => {
        if (made.some((rounds, n) => rounds < (before[n] as number) + 2)) throw new Error('clients are still busy')
      })
    },
  }
  const loop = async (n: number) => {
    for (; !over; made[n] = (made[n] as number) + 1) await client()
  }
  const loops = Promise.all(made.map((_, n) => loop(n)))
  loops.catch(() => {})
  try {
    await Promise.race([body(load), loops.then(() => {})])
  } finally {
    over = true
  }
  await loops
  return load.rounds
}
