import { describe, expect, it } from 'vitest'
import { showDocument } from '../../src/cli/client/documents.ts'
import { showServices, showStatus } from '../../src/cli/client/status-view.ts'
import type { RunningSession } from '../../src/listener/listener.ts'
import { createPolicyWorld } from '../policy/policy-world.ts'
import { inspectorOf } from '../support/inspected-world.ts'
import { aService, aSlice } from '../support/objects.ts'
import { clientAddress } from '../support/scripted-client.ts'

const WEB = 'TCP/10.0.0.1:80'

/** A Service with one endpoint of every kind, after some sessions; one of them runs. */
async function worldWithAll() {
  const world = createPolicyWorld()
  const annotations = { 'portald.io/weights': '10.1.0.2=0', 'portald.io/backup': '10.1.0.5' }
  const service = aService('web', { sessionAffinity: 'ClientIP' }, { annotations })
  const slice = (three: boolean) =>
    aSlice('web', [
      ['10.1.0.1', {}, { nodeName: 'node-7', zone: 'a' }],
      '10.1.0.2',
      ['10.1.0.3', { ready: three }],
      ['10.1.0.4', { ready: false, serving: true, terminating: true }],
      '10.1.0.5',
      '10.1.0.6',
    ])
  await world.apply(service, slice(true), aService('none', { clusterIP: '10.0.0.2' }))
  world.clock.advance(60_000)
  await world.apply(service, slice(false), aService('none', { clusterIP: '10.0.0.2' }))
  world.clock.advance(5_000)
  world
    .dial(WEB, '192.0.2.1')
    .refused()
    .connected()
    .close('client-closed', { bytesFromClient: 100, bytesFromEndpoint: 2_000, connectMs: 3 })
  world.clock.advance(1_000)
  const running = world.dial(WEB, '192.0.2.1').connected()
  world.engine.running = [runningAt(running.endpoint?.slot ?? -1)]
  const inspector = inspectorOf(world)
  inspector.drain({ endpoint: '10.1.0.5:8080' }, true)
  inspector.drain({ endpoint: running.endpoint?.address.ip }, true)
  return { world, inspector }
}

function runningAt(lease: number): RunningSession {
  return {
    id: 7,
    worker: 0,
    protocol: 'TCP',
    state: 'open',
    listener: 1,
    client: clientAddress('192.0.2.1'),
    lease,
    attempts: 1,
    startedMs: 0,
    lastMs: 0,
    connectMs: 7,
    bytesFromClient: 1,
    bytesFromEndpoint: 20,
    datagramsFromClient: 0,
    datagramsFromEndpoint: 0,
  }
}

describe('the status', () => {
  it('tells of every endpoint in which state it is', async () => {
    const { inspector } = await worldWithAll()
    const [web] = inspector.status('default/web').services
    expect(Object.fromEntries(web?.endpoints.map(({ endpoint, state }) => [endpoint, state]) ?? [])).toEqual({
      '10.1.0.1:8080': 'serving',
      '10.1.0.2:8080': 'no-weight',
      '10.1.0.3:8080': 'not-ready',
      '10.1.0.4:8080': 'terminating',
      '10.1.0.5:8080': 'drained',
      '10.1.0.6:8080': 'draining',
    })
  })

  it('is one document', async () => {
    const { inspector } = await worldWithAll()
    const status = inspector.status()
    const { descriptors } = status.limits
    const limits = { ...status.limits, descriptors: { ...descriptors, limit: 1024, open: 20 } }
    await expect(showDocument({ ...status, pid: 4711, limits }, 'yaml')).toMatchFileSnapshot('../golden/status/status.yaml')
  })

  it('is shown in 80 columns', async () => {
    const { inspector } = await worldWithAll()
    const status = { ...inspector.status(), pid: 4711 }
    const shown = showStatus(status, { width: 80, wide: false })
    await expect(`${shown}\n`).toMatchFileSnapshot('../golden/status/status.txt')
    const services = showServices(inspector.status('default/web'), 80)
    await expect(`${services}\n`).toMatchFileSnapshot('../golden/status/service.txt')
    const lines = `${shown}\n${services}`.split('\n').filter((line) => !line.includes('warning: '))
    for (const line of lines) expect(line.length, line).toBeLessThanOrEqual(80)
  })

  it('leaves out what was not asked for', async () => {
    const { inspector } = await worldWithAll()
    for (const only of ['default/none', 'default/none:', 'default/none:/TCP']) {
      const { services, listeners } = inspector.status(only)
      expect([services.map(({ service }) => service), listeners.map(({ listener }) => listener)]).toEqual([
        ['default/none:/TCP'],
        ['TCP/10.0.0.2:80'],
      ])
    }
    expect(inspector.status('default/non').services).toEqual([])
  })

  it('tells of an endpoint that left as long as a session runs to it', async () => {
    const world = createPolicyWorld()
    await world.apply(aService('web'), aSlice('web', ['10.1.0.1', '10.1.0.2']))
    const session = world.dial(WEB, '192.0.2.1').connected()
    await world.apply(aService('web'), aSlice('web', ['10.1.0.2']))
    const states = () =>
      inspectorOf(world)
        .status()
        .services[0]?.endpoints.map(({ endpoint, state }) => `${endpoint} ${state}`)
    expect(states()).toEqual(['10.1.0.2:8080 serving', '10.1.0.1:8080 removed'])
    session.close()
    expect(states()).toEqual(['10.1.0.2:8080 serving'])
  })
})

describe('a drain', () => {
  it('keeps a weight that was set by hand, and gives it back', async () => {
    const world = createPolicyWorld()
    await world.apply(aService('web'), aSlice('web', ['10.1.0.1', '10.1.0.2']))
    const inspector = inspectorOf(world)
    world.plane.overlay.set('default/web' as never, '10.1.0.1', { weight: 5 })
    const weights = () => inspector.status().services[0]?.endpoints.map(({ weight }) => weight.now)
    expect(inspector.drain({ endpoint: '10.1.0.1' }, true)).toEqual([
      { service: 'default/web:/TCP', endpoint: '10.1.0.1:8080', drained: true, active: 0 },
    ])
    expect(weights()).toEqual([0, 1])
    inspector.drain({ endpoint: '10.1.0.1' }, false)
    expect(weights()).toEqual([5, 1])
  })

  it('means the endpoints of a Service, on a node, or with an address, and no others', async () => {
    const world = createPolicyWorld()
    await world.apply(
      aService('web'),
      aSlice('web', [['10.1.0.1', {}, { nodeName: 'node-7' }], '10.1.0.2']),
      aService('api', { clusterIP: '10.0.0.2' }),
      aSlice('api', [['10.1.0.1', {}, { nodeName: 'node-7' }]]),
    )
    const inspector = inspectorOf(world)
    const meant = (target: Parameters<typeof inspector.drained>[0]) =>
      inspector.drained(target).map(({ service, endpoint }) => `${service} ${endpoint}`)
    const both = ['default/web:/TCP 10.1.0.1:8080', 'default/api:/TCP 10.1.0.1:8080']
    expect(meant({ node: 'node-7' }).sort()).toEqual(both.toSorted())
    expect(meant({ endpoint: '10.1.0.1' }).sort()).toEqual(both.toSorted())
    expect(meant({ endpoint: '10.1.0.1', service: 'default/api' })).toEqual(['default/api:/TCP 10.1.0.1:8080'])
    expect(meant({ service: 'default/web' })).toEqual(['default/web:/TCP 10.1.0.1:8080', 'default/web:/TCP 10.1.0.2:8080'])
    expect(meant({ endpoint: '10.1.0' })).toEqual([])
  })

  it('lasts while its endpoint comes and goes, and ends only what runs on what is out', async () => {
    const world = createPolicyWorld()
    await world.apply(aService('web'), aSlice('web', ['10.1.0.1', '10.1.0.2']))
    const inspector = inspectorOf(world)
    world.go(WEB, '192.0.2.1', '192.0.2.2')
    expect(await inspector.finishDrain({ service: 'default/web' })).toBe(0)
    expect(world.engine.cuts).toEqual([])
    inspector.drain({ endpoint: '10.1.0.1' }, true)
    await world.apply(aService('web'), aSlice('web', ['10.1.0.2']))
    await world.apply(aService('web'), aSlice('web', ['10.1.0.1', '10.1.0.2']))
    expect(world.go(WEB, '192.0.2.3', '192.0.2.4')).toBe('2 2')
    world.engine.cutting = 1
    expect(await inspector.finishDrain({ service: 'default/web' })).toBe(1)
    const slot = world.plane.ledger.knownEndpointSlot('default/web:/TCP' as never, '10.1.0.1:8080/TCP' as never)
    expect(world.engine.cuts).toEqual([{ filter: { leases: [slot] }, end: 'drained' }])
  })
})
