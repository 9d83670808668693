import { chmodSync, existsSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { manualClock } from '../../src/lib/clock.ts'
import { eventually } from '../support/eventually.ts'
import { FakeApiServer, SERVICES } from '../support/fake-api-server.ts'
import { type FollowOptions, followCluster } from '../support/followed-cluster.ts'
import { aService, aSlice } from '../support/objects.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'

const IP = '127.91.3.1'
const WEB = ['EndpointSlice default/web-1', 'Service default/web']
const web = [aService('web'), aSlice('web', ['10.1.0.1'])]

/** A folder in which a cluster has left its copy, and the cluster's port, where nobody listens now. */
async function left() {
  const folder = makeTemporaryFolder()
  const copy = join(folder.path, 'copy')
  const options: FollowOptions = { copy, kubeconfigPath: join(folder.path, 'kubeconfig') }
  await using api = await FakeApiServer.open({ ip: IP })
  api.put([...web, aService('old')])
  await using cluster = followCluster(api.kubeconfig(), options)
  await cluster.holds(...WEB, 'Service default/old')
  await eventually(() => expect(existsSync(copy)).toBe(true))
  const port = Number(new URL(api.url).port)
  return { copy, options, kubeconfig: api.kubeconfig(), port, [Symbol.dispose]: () => folder[Symbol.dispose]() }
}

it('a process that starts while the API is away serves what was known, says how old it is, and catches up later', async () => {
  using before = await left()
  expect(statSync(before.copy).mode & 0o777).toBe(0o600)
  utimesSync(before.copy, 1_700_000_000, 1_700_000_000)
  const clock = manualClock()
  await using cluster = followCluster(before.kubeconfig, { ...before.options, clock })
  await eventually(() => {
    clock.advance(100)
    expect(cluster.names()).toEqual([...WEB, 'Service default/old'].sort())
  })
  expect(cluster.statuses.at(-1)).toMatchObject({ synced: true })
  await eventually(() => {
    clock.advance(100)
    const messages = cluster.statuses.at(-1)?.problems.map(({ message }) => message) ?? []
    expect(messages[0]).toBe('what was known at 2023-11-14T22:13:20.000Z is served until the server can be read')
    expect(messages[1]).toMatch(/^services cannot be read: connect ECONNREFUSED .*; what it held before stays in force$/)
  })
  await using api = await FakeApiServer.open({ ip: IP, port: before.port })
  api.put([...web, aService('new')])
  await eventually(() => {
    clock.advance(100)
    expect(cluster.names()).toEqual([...WEB, 'Service default/new'].sort())
  })
  await cluster.troubled()
  expect(cluster.losses).toEqual(['Service default/old'])
})

it('half of what the server says now is not mixed with a copy', async () => {
  using before = await left()
  const clock = manualClock()
  await using api = await FakeApiServer.open({ ip: IP, port: before.port })
  api.put([aService('new')])
  let release = (): void => {}
  api.next('/apis/discovery.k8s.io/v1/endpointslices', 'list', (_request, response) => {
    release = () => response.destroy()
  })
  await using cluster = followCluster(before.kubeconfig, { ...before.options, clock })
  await eventually(() => {
    clock.advance(100)
    expect(api.asked(SERVICES, 'list')).toHaveLength(1)
    expect(cluster.names()).toEqual([...WEB, 'Service default/old'].sort())
  })
  release()
  await cluster.holds('Service default/new')
})

it.each([
  [
    'of another part of the cluster',
    (path: string) => writeFileSync(path, readFileSync(path, 'utf8').replace('node-1', 'node-2')),
  ],
  ['that is not whole', (path: string) => writeFileSync(path, readFileSync(path, 'utf8').slice(0, -40))],
  ['that lost a line', (path: string) => writeFileSync(path, readFileSync(path, 'utf8').split('\n').slice(0, -1).join('\n'))],
  ['of something else', (path: string) => writeFileSync(path, 'hello\n')],
])('a copy %s is not used', async (_, spoil) => {
  using before = await left()
  spoil(before.copy)
  const clock = manualClock()
  await using cluster = followCluster(before.kubeconfig, { ...before.options, clock })
  for (let n = 0; n < 50; n++) {
    clock.advance(100)
    await new Promise((resolve) => setImmediate(resolve))
  }
  await cluster.troubled('api-unreachable', 'api-unreachable', 'api-unreachable')
  expect(cluster.names()).toEqual([])
})

it('a copy that cannot be written is a warning, and nothing else', async () => {
  using folder = makeTemporaryFolder()
  const file = join(folder.path, 'file')
  writeFileSync(file, '')
  chmodSync(file, 0o400)
  await using api = await FakeApiServer.open({ ip: IP })
  api.put(web)
  await using cluster = followCluster(api.kubeconfig(), { copy: join(file, 'copy') })
  await cluster.holds(...WEB)
  expect(await cluster.troubled('cluster-copy')).toEqual([
    `the copy ${join(file, 'copy')} cannot be written: ENOTDIR: not a directory`,
  ])
})
