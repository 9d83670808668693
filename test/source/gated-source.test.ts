import { describe, expect, it } from 'vitest'
import { manualClock } from '../../src/lib/clock.ts'
import { createGatedSource } from '../../src/source/gated-source.ts'
import { createLatest } from '../../src/source/latest.ts'
import { createObjectSource } from '../../src/source/object-source.ts'
import type { Source, SourceState } from '../../src/source/source.ts'

const service = { kind: 'Service', metadata: { name: 'a' } }

function open(isOpen: boolean) {
  const clock = manualClock()
  const behind = createObjectSource('objects', clock)
  const gate = createLatest<boolean>()
  gate.set(isOpen)
  const source = createGatedSource(behind, gate, clock)
  const stop = new AbortController()
  const states = source.watch(stop.signal)[Symbol.asyncIterator]()
  const next = async () => ((await states.next()).value as SourceState).objects.map(({ value }) => value)
  return { behind, gate, source, stop, states, next }
}

describe('gated source', () => {
  it('shows what the source behind it holds while open, by the same references', async () => {
    const { behind, next, states } = open(true)
    behind.set([service])
    expect(await next()).toEqual([service])
    const first = behind.watch(new AbortController().signal)[Symbol.asyncIterator]()
    const own = (await first.next()).value as SourceState
    behind.set([service, { kind: 'Other' }])
    expect(((await states.next()).value as SourceState).objects[0]).toBe(own.objects[0])
  })

  it('is synced and holds nothing while shut, before anything was read', async () => {
    const { states } = open(false)
    expect((await states.next()).value).toMatchObject({ synced: true, objects: [], problems: [] })
  })

  it('follows its gate both ways, and shows what came meanwhile', async () => {
    const { behind, gate, next } = open(true)
    behind.set([service])
    expect(await next()).toEqual([service])
    gate.set(false)
    expect(await next()).toEqual([])
    behind.set([service, service])
    gate.set(true)
    let seen = await next()
    while (seen.length < 2) seen = await next()
    expect(seen).toEqual([service, service])
  })

  it('ends its watch when told to, and when it is disposed', async () => {
    const stopped = open(false)
    await stopped.states.next()
    stopped.stop.abort()
    expect((await stopped.states.next()).done).toBe(true)
    const disposed = open(true)
    const pending = disposed.states.next()
    await disposed.source[Symbol.asyncDispose]()
    expect((await pending).done).toBe(true)
  })

  it('says so when the source behind it breaks its promise and fails', async () => {
    const broken: Source = {
      name: 'broken',
      async *watch() {
        yield { version: '1', synced: true, objects: [], problems: [], readAtMs: 0 }
        throw new TypeError('a fault')
      },
      refresh() {},
      async [Symbol.asyncDispose]() {},
    }
    const gate = createLatest<boolean>()
    gate.set(true)
    const watch = async () => {
      const stop = new AbortController()
      for await (const _ of createGatedSource(broken, gate, manualClock()).watch(stop.signal));
    }
    await expect(watch()).rejects.toThrow('a fault')
  })
})
