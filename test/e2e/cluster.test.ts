import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { dump } from 'js-yaml'
import { expect, it } from 'vitest'
import { startCommand } from '../support/command.ts'
import { TcpEndpoint } from '../support/echo.ts'
import { eventually } from '../support/eventually.ts'
import { FakeApiServer, refuse, SLICES } from '../support/fake-api-server.ts'
import { aService, type Json } from '../support/objects.ts'
import { yamlOf } from '../support/served-file.ts'
import { connectTcp } from '../support/tcp-client.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'
import { addressOf, describeOnEngines, slicesOf, worldInputs } from '../support/world.ts'

const NETWORK = '127.91.2'
const API = '127.91.2.200'
const WEB = '127.91.2.1:8080'
const PROBES = `http://${NETWORK}.254:10256`
const web = aService('web', { clusterIP: '127.91.2.1', ports: [{ port: 8080 }] })
const node = (spec: Json): Json => ({ apiVersion: 'v1', kind: 'Node', metadata: { name: 'node-1' }, spec })

async function ask(address = WEB): Promise<string> {
  await using client = await connectTcp(addressOf(address))
  await client.receives(1)
  return client.text
}

const status = async (path: string) => (await fetch(`${PROBES}${path}`)).status

describeOnEngines('a cluster', NETWORK, (_open, engine) => {
  const { workers, nodeIp } = worldInputs(engine, NETWORK)
  const flags = [
    ...['--engine', engine, '--workers', `${workers}`, '--node-ip', `${nodeIp}`, '--allow-loopback-endpoints'],
    ...['--hostname-override', 'node-1', '--metrics-bind-address', `${NETWORK}.254:10249`],
    ...['--healthz-bind-address', `${NETWORK}.254:10256`],
  ]

  it('is served, and goes on being served while its API is away', async () => {
    using folder = makeTemporaryFolder()
    const kubeconfig = join(folder.path, 'kubeconfig')
    await using a = await TcpEndpoint.open('127.91.2.101', 'say a, echo')
    await using b = await TcpEndpoint.open('127.91.2.102', 'say b, echo')
    const api = await FakeApiServer.open({ ip: API })
    api.put([web, slicesOf('web', [a]), node({})].flat() as Json[])
    writeFileSync(kubeconfig, api.kubeconfig())
    await using command = startCommand(['run', '--kubeconfig', kubeconfig, ...flags])
    await eventually(async () => expect(await ask()).toBe('a'))
    await eventually(async () => expect(await status('/readyz')).toBe(200))
    await using held = await connectTcp(addressOf(WEB))
    await held.receives(1)

    api.put([node({ taints: [{ key: 'ToBeDeletedByClusterAutoscaler', effect: 'NoSchedule' }] })])
    await eventually(async () => expect(await status('/healthz')).toBe(503))
    expect(await status('/livez')).toBe(200)
    api.put([node({})])
    await eventually(async () => expect(await status('/healthz')).toBe(200))

    const port = Number(new URL(api.url).port)
    await api[Symbol.asyncDispose]()
    const { msg } = await command.event('object.problem')
    expect(msg).toMatch(
      /^cluster: error: (services|endpointslices|this node's object \(nodes\)) cannot be read: .* stays in force$/,
    )
    expect(await ask()).toBe('a')
    expect(await status('/readyz')).toBe(200)

    await using back = await FakeApiServer.open({ ip: API, port })
    back.version = 1_000
    back.put([web, slicesOf('web', [b]), node({})].flat() as Json[])
    back.compact()
    await eventually(async () => expect(await ask()).toBe('b'))
    await eventually(() => expect(command.events('object.resolved').length).toBeGreaterThan(0))
    await held.send(' still')
    await held.receives('still')
    const metrics = await (await fetch(`http://${NETWORK}.254:10249/metrics`)).text()
    expect(metrics).toContain('portald_source_synced{source="cluster"} 1')
    expect(Number(/portald_source_age_seconds\{source="cluster"\} (\S+)/.exec(metrics)?.[1])).toBeLessThan(300)
    expect(command.err()).not.toMatch(/^\s+at /m)
  })

  it('that forbids slices is not ready and names the rule, until it lets us read them', async () => {
    using folder = makeTemporaryFolder()
    const kubeconfig = join(folder.path, 'kubeconfig')
    await using a = await TcpEndpoint.open('127.91.2.101', 'say a, echo')
    await using api = await FakeApiServer.open({ ip: API })
    api.put([web, slicesOf('web', [a])].flat() as Json[])
    for (let n = 0; n < 4; n++)
      api.next(SLICES, 'any', (_request, response) => refuse(response, 403, 'endpointslices is forbidden'))
    writeFileSync(kubeconfig, api.kubeconfig())
    await using command = startCommand(['run', '--kubeconfig', kubeconfig, ...flags])
    const { msg } = await command.event('object.problem')
    expect(msg).toContain('apiGroups: ["discovery.k8s.io"], resources: ["endpointslices"], verbs: ["list", "watch"]')
    await eventually(async () => expect(await ask()).toBe('a'))
    await eventually(async () => expect(await status('/readyz')).toBe(200))
  })

  it("that kube-proxy's own configuration names is served, and so are files beside it", async () => {
    using folder = makeTemporaryFolder()
    const [kubeconfig, config, file] = ['kubeconfig', 'config.conf', 'more.yaml'].map((name) => join(folder.path, name)) as [
      string,
      string,
      string,
    ]
    await using a = await TcpEndpoint.open('127.91.2.101', 'say a, echo')
    await using b = await TcpEndpoint.open('127.91.2.102', 'say b, echo')
    await using api = await FakeApiServer.open({ ip: API })
    api.put([web, slicesOf('web', [a])].flat() as Json[])
    writeFileSync(kubeconfig, api.kubeconfig())
    const apiVersion = 'kubeproxy.config.k8s.io/v1alpha1'
    writeFileSync(config, dump({ apiVersion, kind: 'KubeProxyConfiguration', clientConnection: { kubeconfig } }))
    const more = aService('more', { clusterIP: '127.91.2.2', ports: [{ port: 8080 }] })
    const another = aService('web', { clusterIP: '127.91.2.3', ports: [{ port: 8080 }] })
    writeFileSync(file, yamlOf([more, slicesOf('more', [b]), another]))
    await using command = startCommand(['run', '--config', config, '--file', file, ...flags])
    await eventually(async () => expect(await ask('127.91.2.2:8080')).toBe('b'))
    await eventually(async () => expect(await ask('127.91.2.3:8080')).toBe('a'))
    await eventually(() => {
      const problems = command.events('object.problem').map(({ msg }) => String(msg))
      const both =
        /^cluster: warning: Service default\/web: must be there once: this one is ignored, for .*more\.yaml:\d+ comes first$/
      expect(problems.filter((line) => both.test(line))).toHaveLength(1)
    })
    expect(command.events('option.problem')).toEqual([])
  })
})
