import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { manualClock } from '../../src/lib/clock.ts'
import { openClusterSource } from '../../src/source/cluster/cluster-source.ts'
import type { SourceState } from '../../src/source/source.ts'
import { eventually } from '../support/eventually.ts'
import { FakeApiServer } from '../support/fake-api-server.ts'
import { hasty } from '../support/followed-cluster.ts'
import { aService, type Json } from '../support/objects.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'

const IP = '127.91.5.1'
const WORKER = new URL('../support/mortal-cluster-worker.ts', import.meta.url)
const namesOf = ({ objects }: SourceState) => objects.map(({ value }) => (value as { metadata: Json }).metadata['name']).sort()

it("a cluster's thread that dies is replaced; what was known stays in force, and what changed meanwhile is found", async () => {
  using folder = makeTemporaryFolder()
  await using api = await FakeApiServer.open({ ip: IP })
  api.put([aService('stays'), aService('goes')])
  const path = join(folder.path, 'kubeconfig')
  writeFileSync(path, api.kubeconfig())
  const clock = manualClock()
  const scope = { namespace: undefined, labelSelector: '', nodeName: 'node-1' }
  await using source = openClusterSource(
    { access: { kind: 'kubeconfig', path }, scope, userAgent: 'portald/test' },
    { clock, random: hasty, workerUrl: WORKER },
  )
  const states: SourceState[] = []
  const stop = new AbortController()
  const watching = (async () => {
    for await (const state of source.watch(stop.signal)) states.push(state)
  })()
  const last = () => states.at(-1) as SourceState
  await eventually(() => expect(last()).toMatchObject({ synced: true, problems: [] }))
  expect(namesOf(last())).toEqual(['goes', 'stays'])
  const synced = states.length

  writeFileSync(`${path}.die`, '')
  const died = { severity: 'error', code: 'cluster-died', message: expect.stringContaining('killed by a test') }
  await eventually(() => expect(last().problems).toMatchObject([died]))
  expect(last().problems[0]?.message).toContain('what it held before stays in force')
  expect(last().synced).toBe(true)
  api.remove(aService('goes'))
  api.put([aService('new')])
  rmSync(`${path}.die`)
  await eventually(() => {
    clock.advance(1_000)
    expect(namesOf(last())).toEqual(['new', 'stays'])
    expect(last().problems).toEqual([])
  })
  // Nothing was taken out of force before it was known to be gone.
  const between = states.slice(synced, -1).map(namesOf)
  expect(between.every((names) => names.includes('stays'))).toBe(true)
  expect(states.every(({ synced: now }, n) => now || n < synced)).toBe(true)
  stop.abort()
  await watching
})
