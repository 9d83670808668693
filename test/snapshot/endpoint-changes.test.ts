import { describe, expect, it } from 'vitest'
import type { CompiledService } from '../../src/model/snapshot.ts'
import { arrived, turnedReady, turnedUnready } from '../../src/snapshot/endpoint-changes.ts'

type Conditions = readonly [ready: boolean, serving: boolean, terminating: boolean]
const READY: Conditions = [true, true, false]
const UNREADY: Conditions = [false, false, false]
/** A slice that says no more than `ready: false`: what it leaves out counts as true. */
const NOT_READY: Conditions = [false, true, false]
const STOPPING: Conditions = [false, true, true]
const STOPPED: Conditions = [false, false, true]
/** Its Service publishes addresses that are not ready. */
const PUBLISHED: Conditions = [true, false, true]

/** As much of a Service as is looked at. */
function compiled(endpoints: Readonly<Record<string, Conditions>>, port = 'default/web:/TCP'): CompiledService {
  const all = Object.entries(endpoints).map(([key, [ready, serving, terminating]]) => ({ key, ready, serving, terminating }))
  return { ports: new Map([[port, { all }]]) } as unknown as CompiledService
}
const names = (endpoints: readonly { readonly endpoint: string }[]) => endpoints.map(({ endpoint }) => endpoint).join(' ')

describe('what happened to endpoints between two versions of a Service', () => {
  it('tells who arrived', () => {
    expect(names(arrived(undefined, compiled({ a: READY, b: UNREADY })))).toBe('a b')
    expect(names(arrived(compiled({ a: READY, b: READY }), compiled({ b: UNREADY, c: READY })))).toBe('c')
    expect(names(arrived(compiled({ a: READY }, 'default/web:x/TCP'), compiled({ a: READY })))).toBe('a')
  })

  it.each([
    ['a readiness probe fails', READY, UNREADY, 'unready'],
    ['a slice says no more than that it is not ready', READY, NOT_READY, 'unready'],
    ['a readiness probe succeeds again', UNREADY, READY, 'ready'],
    ['a pod is to end and still serves', READY, STOPPING, 'nothing'],
    ['a pod that is to end serves no more', STOPPING, STOPPED, 'unready'],
    ['a pod that is to end never served', READY, STOPPED, 'unready'],
    ['a pod that is not ready is to end', UNREADY, STOPPED, 'nothing'],
    ['a Service publishes it all the same', READY, PUBLISHED, 'nothing'],
  ] as const)('tells who turned ready or unready where %s', (_, before, now, what) => {
    const [was, is] = [compiled({ a: before, b: READY }), compiled({ a: now, b: READY })]
    expect(names(turnedUnready(was, is))).toBe(what === 'unready' ? 'a' : '')
    expect(names(turnedReady(was, is))).toBe(what === 'ready' ? 'a' : '')
  })

  it('tells of one that comes and is not ready: it may have sessions from before', () => {
    expect(names(turnedUnready(compiled({}), compiled({ a: UNREADY, b: READY })))).toBe('a')
    expect(names(turnedReady(compiled({}), compiled({ b: READY })))).toBe('')
  })
})
