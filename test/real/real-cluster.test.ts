import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type RunningCommand, startCommand } from '../support/command.ts'
import { TcpEndpoint } from '../support/echo.ts'
import { eventually } from '../support/eventually.ts'
import { connectTcp } from '../support/tcp-client.ts'
import { addressOf } from '../support/world.ts'
import { missing, RealCluster } from './real-cluster.ts'

const IP = '127.91.4.1'
const EXAMPLES = join(import.meta.dirname, '../../examples/kubernetes')

const service = (name: string, spec: object = {}) => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name, namespace: 'default' },
  spec: { ports: [{ port: 8080 }], ...spec },
})
/** 1.20 knows these slices alone, and takes loopback endpoints in them. */
const slice = (name: string, endpoints: readonly TcpEndpoint[]) => ({
  apiVersion: 'discovery.k8s.io/v1beta1',
  kind: 'EndpointSlice',
  metadata: { name: `${name}-1`, namespace: 'default', labels: { 'kubernetes.io/service-name': name } },
  addressType: 'IPv4',
  ports: [{ port: 8080 }],
  endpoints: endpoints.map(({ address }) => ({ addresses: [address.ip], conditions: { ready: true } })),
})

async function ask(ip: string): Promise<string> {
  await using client = await connectTcp(addressOf(`${ip}:8080`))
  await client.receives(1)
  return client.text
}

describe.skipIf(missing !== undefined)(`a real cluster${missing === undefined ? '' : ` (${missing})`}`, () => {
  const stack = new AsyncDisposableStack()
  let cluster: RealCluster
  let a: TcpEndpoint
  let b: TcpEndpoint

  beforeAll(async () => {
    cluster = stack.use(await RealCluster.open(IP, '127.92.0.0/16'))
    a = stack.use(await TcpEndpoint.open('127.91.4.101', 'say a, echo', 8080))
    b = stack.use(await TcpEndpoint.open('127.91.4.102', 'say b, echo', 8080))
    cluster.kubectl(['apply', '-f', join(EXAMPLES, 'rbac.yaml')])
    const subject = ['--clusterrole=portald', '--user=portald']
    cluster.kubectl(['create', 'clusterrolebinding', 'portald-user', ...subject])
  })
  afterAll(() => stack.disposeAsync())

  const start = (kubeconfig = cluster.kubeconfig('portald-token'), ...flags: readonly string[]): RunningCommand => {
    const path = join(cluster.folder, `kubeconfig-${Math.random()}`)
    writeFileSync(path, kubeconfig)
    return startCommand([
      ...['run', '--kubeconfig', path, '--engine', 'node', '--node-ip', '127.91.4.200', '--allow-loopback-endpoints'],
      ...['--hostname-override', 'node-1', '--metrics-bind-address=', '--healthz-bind-address', '127.91.4.254:10256', ...flags],
    ])
  }
  const clusterIp = (name: string): string => (cluster.get('service', name)['spec'] as { clusterIP: string }).clusterIP

  it('is served with the rights of examples/kubernetes/rbac.yaml, through changes', async () => {
    cluster.apply(service('web'), slice('web', [a]))
    const ip = clusterIp('web')
    expect(ip).toMatch(/^127\.92\./)
    await using command = start()
    await eventually(async () => expect(await ask(ip)).toBe('a'))
    cluster.apply(slice('web', [b]))
    await eventually(async () => expect(await ask(ip)).toBe('b'))
    cluster.apply(service('more'), slice('more', [a]))
    const more = clusterIp('more')
    await eventually(async () => expect(await ask(more)).toBe('a'))
    cluster.kubectl(['delete', 'service', 'more'])
    await eventually(() => expect(ask(more)).rejects.toThrow('ECONNREFUSED'))
    const said = command.events('object.problem').map(({ msg }) => String(msg))
    expect(said.filter((line) => line.startsWith('cluster: error'))).toEqual([])
  })

  it('that is killed, frozen and compacted is served all the while, and followed again', async () => {
    cluster.apply(service('web'), slice('web', [a]))
    const ip = clusterIp('web')
    await using command = start()
    await eventually(async () => expect(await ask(ip)).toBe('a'))
    await using held = await connectTcp(addressOf(`${ip}:8080`))
    await held.receives(1)

    await cluster.kill('kube-apiserver')
    await command.event('object.problem')
    expect(await ask(ip)).toBe('a')
    cluster.start('kube-apiserver')
    await cluster.ready()
    cluster.apply(slice('web', [b]))
    await eventually(async () => expect(await ask(ip)).toBe('b'), { patienceMs: 60_000 })

    cluster.signal('kube-apiserver', 'SIGSTOP')
    expect(await ask(ip)).toBe('b')
    cluster.signal('kube-apiserver', 'SIGCONT')
    cluster.apply(slice('web', [a]))
    await eventually(async () => expect(await ask(ip)).toBe('a'))

    command.process.kill('SIGSTOP')
    cluster.apply(slice('web', [b]))
    await cluster.compact()
    await cluster.kill('kube-apiserver')
    cluster.start('kube-apiserver')
    await cluster.ready()
    command.process.kill('SIGCONT')
    await eventually(async () => expect(await ask(ip)).toBe('b'), { patienceMs: 60_000 })

    await cluster.kill('etcd')
    cluster.start('etcd')
    await cluster.ready()
    await eventually(() => cluster.apply(slice('web', [a])))
    await eventually(async () => expect(await ask(ip)).toBe('a'), { patienceMs: 60_000 })
    await held.send(' still')
    await held.receives('still')
  })

  it('in which 500 Services come, change and go drops no connection', async () => {
    cluster.apply(service('web'), slice('web', [a]))
    const ip = clusterIp('web')
    await using command = start(undefined, '--metrics-bind-address', '127.91.4.254:10249')
    const listeners = async (): Promise<number> => {
      const text = await (await fetch('http://127.91.4.254:10249/metrics')).text()
      return [...text.matchAll(/^portald_listeners\{.*\} (\d+)$/gm)].reduce((sum, [, count]) => sum + Number(count), 0)
    }
    await eventually(async () => expect(await ask(ip)).toBe('a'))
    await using stack = new AsyncDisposableStack()
    const held = await Promise.all(Array.from({ length: 20 }, () => connectTcp(addressOf(`${ip}:8080`))))
    for (const client of held) await stack.use(client).receives(1)

    const many = (port: number) => {
      const items = Array.from({ length: 500 }, (_, n) => service(`many-${n}`, { ports: [{ port }] }))
      return JSON.stringify({ apiVersion: 'v1', kind: 'List', items })
    }
    let churning = true
    const churn = (async () => {
      await cluster.kubectlBeside(['apply', '-f', '-'], many(81))
      await eventually(async () => expect(await listeners()).toBeGreaterThan(500))
      await cluster.kubectlBeside(['apply', '-f', '-'], many(82))
      await cluster.kubectlBeside(['delete', '--wait=false', '-f', '-'], many(82))
    })().finally(() => {
      churning = false
    })
    const answers = new Map<string, number>()
    while (churning) {
      const answer = await ask(ip)
      answers.set(answer, (answers.get(answer) ?? 0) + 1)
    }
    await churn
    expect([...answers.keys()]).toEqual(['a'])
    for (const client of held) {
      await client.send(' still')
      await client.receives('still')
    }
    await eventually(async () => expect(await listeners()).toBeLessThan(10))
    expect(command.events('worker.died')).toEqual([])
  })

  it('that does not let us read says which rule is missing, and is served once it is there', async () => {
    cluster.apply(service('web'), slice('web', [a]))
    const ip = clusterIp('web')
    cluster.kubectl(['delete', 'clusterrolebinding', 'portald-user'])
    await using command = start()
    const rules = await eventually(() => {
      const said = command.events('object.problem').map(({ msg }) => String(msg))
      expect(said.filter((line) => line.includes('must have the rule'))).toHaveLength(3)
      return said.join('\n')
    })
    expect(rules).toContain('apiGroups: [""], resources: ["services"], verbs: ["list", "watch"]')
    expect(rules).toContain('apiGroups: ["discovery.k8s.io"], resources: ["endpointslices"], verbs: ["list", "watch"]')
    expect(rules).toContain('apiGroups: [""], resources: ["nodes"], verbs: ["list", "watch"]')
    cluster.kubectl(['create', 'clusterrolebinding', 'portald-user', '--clusterrole=portald', '--user=portald'])
    await eventually(async () => expect(await ask(ip)).toBe('a'), { patienceMs: 60_000 })
  })

  it('whose certificate is not the expected one, or that does not know us, is not believed', async () => {
    const other = join(cluster.folder, 'other.crt')
    writeFileSync(other, readFileSync(join(import.meta.dirname, 'other-authority.pem')))
    await using stranger = start(cluster.kubeconfig('portald-token', other))
    const { msg } = await stranger.event('object.problem')
    expect(msg).toMatch(/cannot be read: .*certificate.*; nothing of it is in force yet/)
    await stranger[Symbol.asyncDispose]()
    await using unknown = start(cluster.kubeconfig('no-such-token'))
    expect((await unknown.event('object.problem'))['msg']).toMatch(/cannot be read: Unauthorized/)
  })

  it('whose own controllers make the slices is served through the graceful end of a pod', async () => {
    cluster.start('kube-controller-manager')
    const name = 'pods'
    const pod = (id: string) => ({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: id, namespace: 'default', labels: { app: name } },
      spec: { nodeName: 'node-1', terminationGracePeriodSeconds: 600, containers: [{ name: 'c', image: 'none' }] },
    })
    cluster.apply({ apiVersion: 'v1', kind: 'Node', metadata: { name: 'node-1' } })
    cluster.apply(service(name, { selector: { app: name } }), pod('pod-a'), pod('pod-b'))
    const status = async (id: string, ip: string, ready: boolean) => {
      const conditions = [{ type: 'Ready', status: ready ? 'True' : 'False' }]
      await cluster.patchStatus(`pods/${id}`, { podIP: ip, podIPs: [{ ip }], phase: 'Running', conditions })
    }
    await status('pod-a', '127.91.4.101', true)
    await using _command = start()
    const ip = clusterIp(name)
    await eventually(async () => expect(await ask(ip)).toBe('a'), { patienceMs: 60_000 })
    await status('pod-b', '127.91.4.102', true)
    await eventually(async () => expect(new Set([await ask(ip), await ask(ip)])).toEqual(new Set(['a', 'b'])))
    await using held = await connectTcp(addressOf(`${ip}:8080`))
    await held.receives(1)
    cluster.kubectl(['delete', 'pod', `pod-${held.text}`, '--wait=false'])
    const other = held.text === 'a' ? 'b' : 'a'
    await eventually(async () => expect([await ask(ip), await ask(ip), await ask(ip)]).toEqual([other, other, other]))
    await held.send(' still')
    await held.receives('still')
  })

  it('takes the examples', () => {
    for (const file of ['rbac', 'daemonset', 'sidecar']) {
      expect(() => cluster.kubectl(['apply', '-f', join(EXAMPLES, `${file}.yaml`)])).not.toThrow()
    }
  })
})
