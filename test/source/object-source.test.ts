import { describe, expect, it } from 'vitest'
import { manualClock } from '../../src/lib/clock.ts'
import { createObjectSource } from '../../src/source/object-source.ts'
import type { SourceState } from '../../src/source/source.ts'

const service = (name: string) => ({ kind: 'Service', metadata: { name } })

describe('object source', () => {
  it('keeps the reference of an object that says the same as before', async () => {
    const source = createObjectSource('objects', manualClock())
    const watch = source.watch(new AbortController().signal)[Symbol.asyncIterator]()
    source.set([service('a'), service('b')])
    const first = (await watch.next()).value as SourceState
    source.set([service('b'), service('c')])
    const second = (await watch.next()).value as SourceState
    expect(second.objects[0]).toBe(first.objects[1])
    expect(second.version).not.toBe(first.version)
  })

  it('notices an object that was changed in place', async () => {
    const source = createObjectSource('objects', manualClock())
    const watch = source.watch(new AbortController().signal)[Symbol.asyncIterator]()
    const object = service('a')
    source.set([object])
    await watch.next()
    object.metadata.name = 'b'
    source.set([object])
    expect((await watch.next()).value.objects[0].value).toEqual(service('b'))
  })

  it('copies what it is given', async () => {
    const source = createObjectSource('objects', manualClock())
    const object = service('a')
    source.set([object])
    object.metadata.name = 'b'
    const { value } = await source.watch(new AbortController().signal)[Symbol.asyncIterator]().next()
    expect(value.objects[0].value).toEqual(service('a'))
  })
})
