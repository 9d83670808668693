import { writeSync } from 'node:fs'
import { systemClock } from '../../src/lib/clock.ts'
import { openObjectStore } from '../../src/store/open-store.ts'

/** Writes to the store of a folder until it is killed, and says each change once it was answered: `12 web3 put 7`. */
const [folder = '', life = ''] = process.argv.slice(2)
const { store } = await openObjectStore({ folder, clock: systemClock })
let count = 0

async function write(writer: number): Promise<never> {
  for (let n = 0; ; n++) {
    const key = { kind: 'Service', namespace: 'default', name: `w${writer}-${n % 5}` }
    const text = `${life}.${count++}`
    const value = n % 7 === 6 ? undefined : { metadata: { ...key }, text, padding: 'x'.repeat((n * 997) % 6000) }
    const [change] = await store.commit(() => [{ key, value }])
    if (change) writeSync(1, `${change.resourceVersion} ${key.name} ${change.type} ${text}\n`)
  }
}

await Promise.all(Array.from({ length: 8 }, (_, writer) => write(writer)))
