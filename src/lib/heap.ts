import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { loadLibc } from './libc/load.ts'

type CollectGarbage = (options: { type: 'major'; execution: 'sync'; flavor: 'last-resort' }) => void

/** Keeps the part of the heap for new values at about a megabyte in this process from now on, instead of up to a hundred:
 *  collections are more frequent and take a millisecond instead of thirty. Costs a twentieth of the time where a lot is read
 *  at once; not for threads that make many short-lived values all the time, as the node engine does. */
export function keepYoungHeapSmall(): void {
  setFlagsFromString('--semi-space-growth-factor=1')
}

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
