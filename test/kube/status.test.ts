import { beforeEach, describe, expect, it } from 'vitest'
import { keepStatus } from '../../src/admin/kube/status-keeper.ts'
import { silentLogger } from '../../src/observe/logger.ts'
import type { ProxyAddress } from '../../src/runtime/proxy.ts'
import { KubeWorld } from '../support/kube-world.ts'
import type { Json } from '../support/objects.ts'
import { SERVICES, service } from './cases.ts'

const PATH = `${SERVICES}/web`

describe('the status of a Service', () => {
  let world: KubeWorld
  beforeEach(async () => {
    world = await KubeWorld.open()
    const keeper = keepStatus(world.store, world.context.insight, world.clock, silentLogger)
    return () => keeper[Symbol.dispose]()
  })
  const read = async () => (await world.ask('GET', PATH)).body
  /** Lets the keeper look, and what it writes be written. */
  const look = async () => {
    world.clock.advance(250)
    for (let turn = 0; turn < 10; turn++) await Promise.resolve()
    return await read()
  }

  it('says whether it listens, and since when', async () => {
    await world.ask('POST', SERVICES, service({ ports: [{ port: 80 }] }))
    expect((await look())['status']).toEqual({ loadBalancer: {} })
    world.facts.set('default/web', { state: 'Listening', message: 'listens on 1 address' })
    const condition = {
      type: 'portald.io/Listening',
      status: 'True',
      reason: 'Listening',
      message: 'listens on 1 address',
      lastTransitionTime: '2026-01-01T00:00:00Z',
      observedGeneration: 1,
    }
    expect((await look())['status']).toEqual({ loadBalancer: {}, conditions: [condition] })
    world.clock.advance(60_000)
    world.facts.set('default/web', { state: 'Failed', message: 'TCP/127.0.0.1:80: is in use' })
    const [failed] = ((await look())['status'] as { conditions: Json[] }).conditions
    expect(failed).toMatchObject({ status: 'False', reason: 'Failed', message: 'TCP/127.0.0.1:80: is in use' })
    expect(failed?.['lastTransitionTime']).not.toBe(condition.lastTransitionTime)
  })

  it('is written only when it changes', async () => {
    await world.ask('POST', SERVICES, service({ ports: [{ port: 80 }] }))
    world.facts.set('default/web', { state: 'Listening', message: '' })
    const first = await look()
    expect(await look()).toEqual(first)
  })

  it('says of each address of a load balancer which port could not be bound', async () => {
    await world.ask('POST', SERVICES, service({ type: 'LoadBalancer', loadBalancerIP: '127.1.1.1', ports: [{ port: 80 }] }))
    const failed = { state: 'failed', code: 'EADDRINUSE', message: 'is in use', retryAtMs: 0 }
    const addresses = [{ key: 'TCP/127.1.1.1:80', status: failed }] as unknown as ProxyAddress[]
    world.facts.set('default/web', { state: 'Failed', message: '', addresses })
    const status = (await look())['status'] as { loadBalancer: Json }
    const ports = [{ port: 80, protocol: 'TCP', error: 'portald.io/EADDRINUSE' }]
    expect(status.loadBalancer).toEqual({ ingress: [{ ip: '127.1.1.1', ipMode: 'VIP', ports }] })
  })

  it('is not taken from those who write the Service', async () => {
    const { body } = await world.ask('POST', SERVICES, {
      ...service({ ports: [{ port: 80 }] }),
      status: { conditions: [{ type: 'a' }] },
    })
    expect(body['status']).toEqual({ loadBalancer: {} })
  })

  it('gives a load balancer the addresses that somebody wrote into it', async () => {
    await world.ask('POST', SERVICES, service({ type: 'LoadBalancer', ports: [{ port: 80 }] }))
    const status = { loadBalancer: { ingress: [{ ip: '127.1.1.2' }] } }
    await world.ask('PATCH', `${PATH}/status`, { status, spec: { type: 'ClusterIP' } }, { type: 'application/merge-patch+json' })
    expect(await read()).toMatchObject({
      spec: { type: 'LoadBalancer' },
      status: { loadBalancer: { ingress: [{ ip: '127.1.1.2', ipMode: 'VIP' }] } },
    })
  })
})
