import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { expect, it } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { askHttp } from '../support/http-client.ts'
import { aService, type Json, placed } from '../support/objects.ts'
import { describeOnEngines, slicesOf, type World } from '../support/world.ts'

const NODE_IPS = ['127.70.33.21', '127.70.33.22']
const PORT = 31_080
const HEALTHZ = '127.70.33.254:10256'
const inputs = { nodeIp: NODE_IPS, healthzBindAddress: HEALTHZ }

const web = (spec: Json = {}) =>
  aService('web', {
    type: 'LoadBalancer',
    clusterIP: '127.70.33.1',
    ports: [{ port: 8080, nodePort: 30_080 }],
    externalTrafficPolicy: 'Local',
    healthCheckNodePort: PORT,
    ...spec,
  })

/** The same slices, their endpoints on a node, with these conditions. */
function on(nodeName: string, slices: readonly Json[], conditions: Json = {}): Json[] {
  return placed(slices, ...slices.map(() => ({ nodeName, conditions })))
}

async function ask(port: number, ip = NODE_IPS[0], path = '/healthz', method = 'GET', body?: string) {
  const answer = await askHttp(`http://${ip}:${port}${path}`, method, body)
  return { ...answer, weight: answer.headers['x-load-balancing-endpoint-weight'] }
}

/** What load balancers are told from now on: servers follow a change a moment after it is in force. */
function expectWeight(weight: number, port = PORT): Promise<void> {
  return eventually(async () => expect(await ask(port)).toMatchObject({ code: weight > 0 ? 200 : 503, weight: String(weight) }))
}

async function expectClosed(world: World, address: string): Promise<void> {
  await eventually(async () => expect(await world.knock(address)).toBe('refused'))
}

describeOnEngines('a healthCheckNodePort', '127.70.33', (open) => {
  it('answers on every address of the node and any path, with kube-proxy’s headers and document', async () => {
    await using world = await open({ inputs })
    await world.apply(web(), on('node-1', slicesOf('web', await world.endpoints('a', 'b'))))
    await expectWeight(2)
    for (const ip of NODE_IPS) {
      for (const path of ['/', '/healthz', '/any/path?at=all']) {
        const { code, weight, text, headers } = await ask(PORT, ip, path)
        expect({ code, weight, body: JSON.parse(text) }).toEqual({
          code: 200,
          weight: '2',
          body: { service: { namespace: 'default', name: 'web' }, localEndpoints: 2, serviceProxyHealthy: true },
        })
        expect(headers).toMatchObject({ 'content-type': 'application/json', 'x-content-type-options': 'nosniff' })
      }
    }
    expect(await ask(PORT, NODE_IPS[0], '/', 'HEAD')).toMatchObject({ code: 200, weight: '2', text: '' })
    expect(await ask(PORT, NODE_IPS[0], '/', 'POST', 'x'.repeat(100_000))).toMatchObject({ code: 200 })
    expect(await world.knock(`127.70.33.1:${PORT}`)).toBe('refused')
  })

  it('follows the endpoints on this node that are ready; those that terminate are not, and go on serving', async () => {
    await using world = await open({ inputs })
    const slices = slicesOf('web', await world.endpoints('a', 'b'))
    const [first = {}, second = {}] = slices
    await world.apply(web(), on('node-1', [first]), on('node-2', [second]))
    await expectWeight(1)
    await world.apply(web(), on('node-2', slices))
    await expectWeight(0)
    await world.apply(web(), on('node-1', slices, { ready: false, serving: true, terminating: true }))
    await expectWeight(0)
    expect(['a', 'b']).toContain(await world.ask(`${NODE_IPS[0]}:30080`))
    await world.apply(web(), on('node-1', slices))
    await expectWeight(2)
  })

  it('opens, moves and closes with its Service, whose sessions do not notice', async () => {
    await using world = await open({ inputs })
    const slices = on('node-1', slicesOf('web', await world.endpoints('a')))
    await world.apply(web({ healthCheckNodePort: 0 }), slices)
    const held = await world.greeted(`${NODE_IPS[0]}:30080`)
    expect(await world.knock(`${NODE_IPS[0]}:${PORT}`)).toBe('refused')
    await world.apply(web(), slices)
    await expectWeight(1)
    await world.apply(web({ healthCheckNodePort: PORT + 1 }), slices)
    await expectWeight(1, PORT + 1)
    for (const ip of NODE_IPS) await expectClosed(world, `${ip}:${PORT}`)
    await world.apply(web({ externalTrafficPolicy: 'Cluster', healthCheckNodePort: 0 }), slices)
    for (const ip of NODE_IPS) await expectClosed(world, `${ip}:${PORT + 1}`)
    await held.send(' still')
    await held.receives('still')
  })

  it('stays open when it goes over to another Service, for which it then answers', async () => {
    await using world = await open({ inputs })
    const slices = slicesOf('web', await world.endpoints('a'))
    await world.apply(web(), on('node-1', slices))
    await expectWeight(1)
    const heir = { ...web({ clusterIP: '127.70.33.2', ports: [{ port: 8080 }] }), metadata: { name: 'heir' } }
    const client = connect(PORT, NODE_IPS[0])
    await once(client, 'connect')
    await world.apply(heir, on('node-1', slices))
    await eventually(async () => expect(JSON.parse((await ask(PORT)).text).service.name).toBe('heir'))
    // Connections that stood were not cut.
    client.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
    expect(`${(await once(client, 'data'))[0]}`).toContain('"name":"heir"')
    client.destroy()
  })

  it('that another Service holds is a problem, and is answered as soon as that one lets go', async () => {
    await using world = await open({ inputs })
    const slices = on('node-1', slicesOf('web', await world.endpoints('a')))
    const rival = aService('rival', { type: 'NodePort', clusterIP: '127.70.33.3', ports: [{ port: 80, nodePort: PORT }] })
    await world.apply(rival, slices)
    await world.apply(rival, web(), slices)
    const held = world.proxy.read().problems.filter(({ code }) => code === 'address-conflict')
    expect(held.map(({ field, object }) => `${object} ${field}`)).toEqual(
      NODE_IPS.map(() => 'Service default/web spec.healthCheckNodePort'),
    )
    expect(await world.ask(`${NODE_IPS[0]}:30080`)).toBe('a')
    await world.apply(web(), slices)
    await expectWeight(1)
    // And back: the socket of the nodePort has to wait until ours is closed.
    await world.apply(rival, slices, slicesOf('rival', await world.endpoints('r')))
    await eventually(async () => expect(await world.ask(`${NODE_IPS[0]}:${PORT}`)).toBe('r'))
  })

  it('that some program has is tried again until it is free, while the node’s other addresses answer', async () => {
    const foreign = createServer().listen({ host: NODE_IPS[0], port: PORT, exclusive: true })
    await once(foreign, 'listening')
    await using world = await open({ inputs })
    await world.apply(web(), on('node-1', slicesOf('web', await world.endpoints('a'))))
    await eventually(async () => expect(await ask(PORT, NODE_IPS[1])).toMatchObject({ code: 200 }))
    await eventually(() => expect(world.log.of('probe.failed')).toHaveLength(1))
    expect(world.log.of('probe.failed')[0]?.fields).toMatchObject({ key: `${NODE_IPS[0]}:${PORT}` })
    await new Promise((resolve) => foreign.close(resolve))
    await expectWeight(1)
  })

  it('says no while the proxy drains, though /livez says yes', async () => {
    await using world = await open({ inputs })
    await world.apply(web(), on('node-1', slicesOf('web', await world.endpoints('a'))))
    await expectWeight(1)
    const held = await world.greeted(`${NODE_IPS[0]}:30080`)
    const drained = world.proxy.drain({ delayMs: 0, deadlineMs: 20_000 })
    const { code, text } = await ask(PORT)
    expect({ code, ...JSON.parse(text) }).toMatchObject({ code: 503, localEndpoints: 1, serviceProxyHealthy: false })
    expect((await askHttp(`http://${HEALTHZ}/livez`)).code).toBe(200)
    held.halfClose()
    await drained
  })
})

describeOnEngines('/healthz', '127.70.33', (open) => {
  const node = (metadata: Json = {}, spec: Json = {}) => ({
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name: 'node-1', ...metadata },
    spec,
  })
  const healthz = async (path = 'healthz') => {
    const { code, text } = await askHttp(`http://${HEALTHZ}/${path}`)
    return { code, ...(JSON.parse(text) as Json) }
  }

  it('says no for a node that is about to be removed, or was, and /livez and Services’ checks do not', async () => {
    await using world = await open({ inputs })
    const objects = [web(), ...on('node-1', slicesOf('web', await world.endpoints('a')))]
    const expectEligible = async (nodeEligible: boolean) => {
      expect(await healthz()).toMatchObject({ code: nodeEligible ? 200 : 503, nodeEligible, healthy: true })
      expect(await healthz('livez')).toMatchObject({ code: 200, healthy: true })
      await expectWeight(1)
    }
    await world.apply(...objects)
    await expectEligible(true)
    await world.apply(...objects, node())
    await expectEligible(true)
    await world.apply(...objects, node({}, { taints: [{ key: 'ToBeDeletedByClusterAutoscaler', effect: 'NoSchedule' }] }))
    await expectEligible(false)
    await world.apply(...objects, node({}, { unschedulable: true, taints: [{ key: 'node.kubernetes.io/unschedulable' }] }))
    await expectEligible(true)
    await world.apply(...objects, node({ deletionTimestamp: '2026-01-01T00:00:00Z' }))
    await expectEligible(false)
    await world.apply(...objects)
    await expectEligible(false)
    await world.apply(...objects, node())
    await expectEligible(true)
  })
})
