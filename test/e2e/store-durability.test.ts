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

interface Answered {
  readonly version: number
  readonly isThere: boolean
  readonly text: string
}

it(`the store has all that it answered after each of ${LIVES} kills in the middle of writing`, { timeout: 240_000 }, async () => {
  using folder = makeTemporaryFolder()
  /** What was answered last of each object. */
  const answered = new Map<string, Answered>()
  let newest = 0
  let total = 0
  for (let life = 0; life < LIVES; life++) {
    await using writer = startNode([WRITER, folder.path, `${life}`])
    await eventually(() => expect(writer.out()).toContain('\n'))
    await new Promise((resolve) => setTimeout(resolve, systemRandom.below(80)))
    writer.process.kill('SIGKILL')
    await writer.exit
    expect(writer.err()).toBe('')

    const lines = writer.out().split('\n').slice(0, -1)
    const versions = lines.map((line) => Number(line.split(' ')[0]))
    // A resourceVersion never goes back, nor is one given twice.
    expect(Math.min(...versions)).toBeGreaterThan(newest)
    newest = Math.max(newest, ...versions)
    total += lines.length
    for (const line of lines) {
      const [version = '', name = '', type, text = ''] = line.split(' ')
      const known = answered.get(name)
      if (!known || known.version < Number(version))
        answered.set(name, { version: Number(version), isThere: type !== 'deleted', text })
    }

    const { store, damage } = await openObjectStore({ folder: folder.path, clock: systemClock })
    expect(damage).toBeUndefined()
    expect(store.resourceVersion).toBeGreaterThanOrEqual(newest)
    // What was written and could not be answered any more may be there too.
    newest = store.resourceVersion
    for (const [name, { version, isThere, text }] of answered) {
      const found = store.get({ kind: 'Service', namespace: 'default', name })
      if ((found?.resourceVersion ?? 0) > version) continue
      const deletedLater = isThere && found === undefined && wasDeletedAfter(store, name, version)
      if (!deletedLater)
        expect([life, name, found?.resourceVersion, found?.value['text']], name).toEqual(
          isThere ? [life, name, version, text] : [life, name, undefined, undefined],
        )
    }
    await store[Symbol.asyncDispose]()
  }
  expect(total).toBeGreaterThan(LIVES * 8)
})

function wasDeletedAfter(store: Awaited<ReturnType<typeof openObjectStore>>['store'], name: string, version: number): boolean {
  let deleted = false
  store.follow(Math.max(version, store.oldestVersion), (changes) => {
    deleted ||= changes.some(({ type, object }) => type === 'deleted' && object.key.name === name)
  })
  return deleted
}

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
  await running.event('proxy.ready')
  const { json } = await ask(path, services)
  expect((json['items'] as unknown[]).length).toBeGreaterThanOrEqual(answeredNames.length)
})
