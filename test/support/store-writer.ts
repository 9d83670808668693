import { writeSync } from 'node:fs'
import { systemClock } from '../../src/lib/clock.ts'
import { openObjectStore } from '../../src/store/open-store.ts'

/** Writes to the store of a folder until it is killed, and says what it begins and what was answered, each at once:
 *  `begin w3-1 put 7.12`, then `done w3-1 1795286637360`, or `none w3-1` where there was nothing to delete. */
const [folder = '', life = ''] = process.argv.slice(2)
const { store } = await openObjectStore({ folder, clock: systemClock })
let count = 0

async function write(writer: number): Promise<never> {
  for (let n = 0; ; n++) {
    const key = { kind: 'Service', namespace: 'default', name: `w${writer}-${n % 5}` }
    const text = `${life}.${count++}`
    const value = n % 7 === 6 ? undefined : { metadata: { ...key }, text, padding: 'x'.repeat((n * 997) % 6000) }
    writeSync(1, `begin ${key.name} ${value ? 'put' : 'delete'} ${text}\n`)
    const [change] = await store.commit(() => [{ key, value }])
    writeSync(1, change ? `done ${key.name} ${change.resourceVersion}\n` : `none ${key.name}\n`)
  }
}

await Promise.all(Array.from({ length: 8 }, (_, writer) => write(writer)))
