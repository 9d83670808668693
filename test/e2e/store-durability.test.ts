import { join } from 'node:path'
import { expect, it } from 'vitest'
import { systemClock } from '../../src/lib/clock.ts'
import { systemRandom } from '../../src/lib/random.ts'
import { openObjectStore } from '../../src/store/open-store.ts'
import { ask } from '../support/admin-world.ts'
import { startCommand, startNode } from '../support/command.ts'
import { eventually } from '../support/eventually.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'

const WRITER = join(import.meta.dirname, '../support/store-writer.ts')
const LIVES = 50

/** What an object was last said to be: a text, or gone. */
type Said = string | undefined

it(`the store has all that it answered after each of ${LIVES} kills in the middle of writing`, { timeout: 240_000 }, async () => {
  using folder = makeTemporaryFolder()
  const answered = new Map<string, Said>()
  let newest = 0
  let total = 0
  for (let life = 0; life < LIVES; life++) {
    await using writer = startNode([WRITER, folder.path, `${life}`])
    await eventually(() => expect(writer.out()).toContain('done'))
    await new Promise((resolve) => setTimeout(resolve, systemRandom.below(80)))
    writer.process.kill('SIGKILL')
    await writer.exit
    expect(writer.err()).toBe('')

    const begun = new Map<string, Said>()
    const versions: number[] = []
    for (const line of writer.out().split('\n').slice(0, -1)) {
      const [word, name = '', second, text] = line.split(' ')
      if (word === 'begin') begun.set(name, second === 'put' ? text : undefined)
      if (word === 'done') {
        answered.set(name, begun.get(name))
        versions.push(Number(second))
      }
      if (word !== 'begin') begun.delete(name)
    }
    // A resourceVersion never goes back, nor is one given twice.
    expect(Math.min(...versions)).toBeGreaterThan(newest)
    expect(new Set(versions).size).toBe(versions.length)
    total += versions.length

    const { store, damage } = await openObjectStore({ folder: folder.path, clock: systemClock })
    expect(damage).toBeUndefined()
    newest = Math.max(newest, ...versions)
    expect(store.resourceVersion).toBeGreaterThanOrEqual(newest)
    for (const [name, said] of answered) {
      const found = store.get({ kind: 'Service', namespace: 'default', name })?.value['text'] as Said
      // What was begun and could not be answered any more is there, or is not.
      if (begun.has(name) && found === begun.get(name)) answered.set(name, found)
      else expect(found, `life ${life}, ${name}`).toBe(said)
    }
    await store[Symbol.asyncDispose]()
  }
  expect(total).toBeGreaterThan(LIVES * 8)
})

it('a killed process serves after its restart what it had answered with success', async () => {
  using folder = makeTemporaryFolder()
  const admin = `unix:${join(folder.path, 'p.sock')}`
  const off = ['--metrics-bind-address', '', '--healthz-bind-address', '']
  const start = () => startCommand(['run', '--admin', admin, '--state-dir', join(folder.path, 'state'), ...off])
  const path = admin.slice(5)
  const services = '/api/v1/namespaces/default/services'
  const answeredNames: string[] = []
  for (let life = 0; life < 3; life++) {
    await using running = start()
    await running.event('admin.opened')
    const { json } = await ask(path, services)
    const names = (json['items'] as { metadata: { name: string } }[]).map(({ metadata }) => metadata.name)
    expect(names).toEqual(expect.arrayContaining(answeredNames))
    const post = async (n: number) => {
      const name = `s${life}-${n}`
      const spec = { clusterIP: `127.134.${life + 1}.${n + 1}`, ports: [{ port: 8080 }] }
      const body = JSON.stringify({ apiVersion: 'v1', kind: 'Service', metadata: { name }, spec })
      const { code } = await ask(path, services, { method: 'POST', headers: { 'content-type': 'application/json' }, body })
      if (code === 201) answeredNames.push(name)
    }
    const posts = Array.from({ length: 60 }, (_, n) => post(n).catch(() => {}))
    await eventually(() => expect(answeredNames.length).toBeGreaterThan(life * 20 + 5))
    running.process.kill('SIGKILL')
    await Promise.all(posts)
  }
  await using running = start()
  await running.event('admin.opened')
  const { json } = await ask(path, services)
  expect((json['items'] as unknown[]).length).toBeGreaterThanOrEqual(answeredNames.length)
})
