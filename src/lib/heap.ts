import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { loadLibc } from './libc/load.ts'

type CollectGarbage = (options: { type: 'major'; execution: 'sync'; flavor: 'last-resort' }) => void

/** Gives the system back the memory that V8 and the C library keep after a lot was thrown away, often half of all. Blocks the
 *  thread, some hundred milliseconds for as many megabytes. */
export function trimHeap(): void {
  // The only way to a collection that shrinks the heap without a flag on the command line.
  setFlagsFromString('--expose-gc')
  const collectGarbage = runInNewContext('gc') as CollectGarbage
  setFlagsFromString('--no-expose-gc')
  collectGarbage({ type: 'major', execution: 'sync', flavor: 'last-resort' })
  loadLibc().libc?.trim()
}
