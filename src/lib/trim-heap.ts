import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

type CollectGarbage = (options: { type: 'major'; execution: 'sync'; flavor: 'last-resort' }) => void

/** Gives the system back the memory that V8 keeps after a lot was thrown away, often half of the heap. Blocks the thread, some
 *  hundred milliseconds for as many megabytes. */
export function trimHeap(): void {
  // The only way to a collection that shrinks the heap without a flag on the command line.
  setFlagsFromString('--expose-gc')
  const collectGarbage = runInNewContext('gc') as CollectGarbage
  setFlagsFromString('--no-expose-gc')
  collectGarbage({ type: 'major', execution: 'sync', flavor: 'last-resort' })
}
