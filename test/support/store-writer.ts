import { writeSync } from 'node:fs'
import { systemClock } from '../../src/lib/clock.ts'
import { isErrno } from '../../src/lib/errors.ts'
import { openObjectStore } from '../../src/store/open-store.ts'

/** Writes to the store of a folder until it is killed, and says what it begins and what was answered, each at once:
 *  `begin w3-1 put 7.12`, then `done w3-1 1795286637360`, or `none w3-1` where there was nothing to delete. */
const [folder = '', life = ''] = process.argv.slice(2)
const { store } = await openObjectStore({ folder, clock: systemClock })
let count = 0

const pause = new Int32Array(new SharedArrayBuffer(4))

/** Writes at once and whole: a pipe that is full for a moment says EAGAIN. */
function say(line: string): void {
  let rest: Buffer = Buffer.from(line)
  while (rest.length > 0) {
    try {
      rest = rest.subarray(writeSync(1, rest))
    } catch (error) {
      if (!isErrno(error, 'EAGAIN')) throw error
      Atomics.wait(pause, 0, 0, 1)
    }
  }
}

async function write(writer: number): Promise<never> {
  for (let n = 0; ; n++) {
    const key = { kind: 'Service', namespace: 'default', name: `w${writer}-${n % 5}` }
    const text = `${life}.${count++}`
    const value = n % 7 === 6 ? undefined : { metadata: { ...key }, text, padding: 'x'.repeat((n * 997) % 6000) }
    say(`begin ${key.name} ${value ? 'put' : 'delete'} ${text}\n`)
    const [change] = await store.commit(() => [{ key, value }])
    say(change ? `done ${key.name} ${change.resourceVersion}\n` : `none ${key.name}\n`)
  }
}

await Promise.all(Array.from({ length: 8 }, (_, writer) => write(writer)))
