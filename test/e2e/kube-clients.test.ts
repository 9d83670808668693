import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  CoreV1Api,
  DiscoveryV1Api,
  KubeConfig,
  makeInformer,
  PatchStrategy,
  setHeaderOptions,
  type V1Service,
} from '@kubernetes/client-node'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { systemRandom } from '../../src/lib/random.ts'
import { eventually } from '../support/eventually.ts'
import { followCluster } from '../support/followed-cluster.ts'
import { type KubeProcess, openKubeProcess } from '../support/kube-process.ts'

const PYTHON = '/usr/bin/python3'
const noPython = (() => {
  try {
    execFileSync(PYTHON, ['-c', 'import kubernetes'], { stdio: 'ignore' })
    return undefined
  } catch {
    return 'needs the package python3-kubernetes'
  }
})()

const service = (name: string): V1Service => ({ metadata: { name }, spec: { ports: [{ name: 'http', port: 80 }] } })
const MERGE = setHeaderOptions('Content-Type', PatchStrategy.MergePatch)

describe('clients of other makers', () => {
  const stack = new AsyncDisposableStack()
  let api: KubeProcess
  let config: KubeConfig
  beforeAll(async () => {
    api = stack.use(await openKubeProcess('127.135.2.1', '127.135.90.0/24'))
    config = new KubeConfig()
    config.loadFromClusterAndUser({ name: 'portald', server: api.url, skipTLSVerify: true }, { name: 'nobody' })
  })
  afterAll(() => stack.disposeAsync())

  it.skipIf(noPython !== undefined)(`Python's client${noPython === undefined ? '' : ` (${noPython})`}`, async () => {
    const { out, err, code } = await api.run(PYTHON, [join(import.meta.dirname, 'kube-clients.py'), api.url])
    expect(code, err).toBe(0)
    expect(
      out
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as unknown),
    ).toEqual([
      ['created', ['ClusterIP', 80, true]],
      ['patched', { a: 'b', app: 'web' }],
      ['generated', true],
      ['selected', ['web']],
      ['stale', [409, 'Conflict']],
      ['again', [409, 'AlreadyExists']],
      ['wrong', [422, 'Invalid']],
      [
        'watched',
        [
          ['ADDED', 'web'],
          ['DELETED', 'web'],
        ],
      ],
      ['gone', [404, 'NotFound']],
    ])
  })

  it("JavaScript's client, with its informer", async () => {
    const core = config.makeApiClient(CoreV1Api)
    const namespace = 'js'
    const seen: string[] = []
    const list = () => core.listNamespacedService({ namespace })
    const informer = makeInformer(config, `/api/v1/namespaces/${namespace}/services`, list)
    informer.on('add', ({ metadata }) => void seen.push(`add ${metadata?.name}`))
    informer.on('delete', ({ metadata }) => void seen.push(`delete ${metadata?.name}`))
    await core.createNamespacedService({ namespace, body: service('a') })
    await informer.start()
    await eventually(() => expect(seen).toEqual(['add a']))
    const made = await core.createNamespacedService({ namespace, body: service('b') })
    expect(made.spec?.clusterIP).toMatch(/^127\.135\.90\./)
    const body = { spec: { sessionAffinity: 'ClientIP' } }
    const patched = await core.patchNamespacedService({ namespace, name: 'b', body }, MERGE)
    expect(patched.spec?.sessionAffinityConfig?.clientIP?.timeoutSeconds).toBe(10_800)
    await core.deleteNamespacedService({ namespace, name: 'a' })
    await eventually(() => expect(seen).toEqual(['add a', 'add b', 'delete a']))
    await informer.stop()
    await expect(core.replaceNamespacedService({ namespace, name: 'b', body: made })).rejects.toMatchObject({ code: 409 })
    await expect(core.readNamespacedService({ namespace, name: 'a' })).rejects.toMatchObject({ code: 404 })
  })

  it('our own reader of clusters follows every change, and reads pages', async () => {
    const core = config.makeApiClient(CoreV1Api)
    const discovery = config.makeApiClient(DiscoveryV1Api)
    const namespace = 'ours'
    const kubeconfig = JSON.stringify({
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': 'portald',
      contexts: [{ name: 'portald', context: { cluster: 'portald', user: 'nobody' } }],
      clusters: [{ name: 'portald', cluster: { server: api.url, 'insecure-skip-tls-verify': true } }],
      users: [{ name: 'nobody', user: {} }],
    })
    writeFileSync(join(api.folder, 'kubeconfig'), kubeconfig)
    await core.createNamespacedService({ namespace, body: service('a') })
    await using cluster = followCluster(kubeconfig, { namespace, random: systemRandom })
    await cluster.holds('Service ours/a')
    const labels = { 'kubernetes.io/service-name': 'a' }
    const slice = { metadata: { name: 'a-1', labels }, addressType: 'IPv4', endpoints: [{ addresses: ['127.0.0.1'] }], ports: [] }
    await discovery.createNamespacedEndpointSlice({ namespace, body: slice })
    await cluster.holds('EndpointSlice ours/a-1', 'Service ours/a')
    await core.patchNamespacedService({ namespace, name: 'a', body: { spec: { sessionAffinity: 'ClientIP' } } }, MERGE)
    await eventually(() => expect(cluster.object('Service ours/a')['spec']).toMatchObject({ sessionAffinity: 'ClientIP' }))
    await core.deleteNamespacedService({ namespace, name: 'a' })
    await cluster.holds()
    await Promise.all(Array.from({ length: 30 }, (_, n) => core.createNamespacedService({ namespace, body: service(`s${n}`) })))
    await cluster.holds(...Array.from({ length: 30 }, (_, n) => `Service ours/s${n}`).sort())
    expect(cluster.losses.filter((name) => !name.endsWith('/a') && !name.endsWith('/a-1'))).toEqual([])
  })
})
