import { describe, expect, it } from 'vitest'
import type { RouteDelta } from '../../src/model/delta.ts'
import { createPolicyWorld } from '../policy/policy-world.ts'
import { aService, aSlice } from '../support/objects.ts'
import { settle } from '../support/settle.ts'

const WEB = 'TCP/10.0.0.1:80'
const API = 'TCP/10.0.0.2:80'
const A = '192.0.2.1'

const web = aService('web')
const webSlice = aSlice('web', ['10.1.0.1', '10.1.0.2'])
const api = aService('api', { clusterIP: '10.0.0.2' })
const apiSlice = aSlice('api', ['10.1.0.9'])

/** What a delta does, in short: `set 1:2` is listener 1 with 2 endpoints. */
function inShort({ set, remove }: RouteDelta): string {
  return [
    ...set.map(({ listener, endpoints }) => `set ${listener}:${endpoints.length}`),
    ...remove.map((id) => `remove ${id}`),
  ].join(' ')
}

describe('putting a snapshot in force', () => {
  it('publishes routes before their sockets open, and takes them away after their sockets are closed', async () => {
    const world = createPolicyWorld()
    const order: string[] = []
    const { onPublish } = world.engine
    world.engine.onPublish = (delta) => {
      order.push(...world.engine.takeAsked(), inShort(delta))
      return onPublish(delta)
    }
    await world.apply(web, webSlice, api, apiSlice)
    await world.apply(web, webSlice)
    order.push(...world.engine.takeAsked())
    expect(order).toEqual(['set 1:2 set 2:1', `open ${WEB}`, `open ${API}`, `close ${API} keep`, 'remove 2'])
  })

  it('publishes only what changed, and touches no other socket', async () => {
    const world = createPolicyWorld()
    await world.apply(web, webSlice, api, apiSlice)
    world.engine.takeAsked()
    const change = await world.apply(web, aSlice('web', ['10.1.0.1']), api, apiSlice)
    expect(change).toMatchObject({ open: [], swap: [{ key: WEB }], close: [] })
    expect(world.engine.deltas.map(inShort)).toEqual(['set 1:2 set 2:1', 'set 1:1'])
    expect(world.engine.asked).toEqual([])
  })

  it('gives sessions a turn after every hundred routes of a large change', async () => {
    const world = createPolicyWorld({ serviceSlots: 512, endpointSlots: 512 })
    const services = Array.from({ length: 250 }, (_, n) => aService(`s${n}`, { clusterIP: `10.0.1.${n}` }))
    await world.apply(...services)
    expect(world.engine.deltas.map(({ set }) => set.length)).toEqual([100, 100, 50])
    expect([...world.plane.pool.addresses()]).toHaveLength(250)
  })

  it('parks an address before its last endpoint is forgotten, and opens it again with the first', async () => {
    const world = createPolicyWorld()
    await world.apply(web, webSlice)
    await world.apply(web, aSlice('web', []))
    await world.apply(web, webSlice)
    expect(world.engine.asked).toEqual([`open ${WEB}`, `park ${WEB}`, `open ${WEB}`])
    expect(world.logger.lines.map(({ event }) => event)).toEqual(['listener.opened', 'listener.parked', 'listener.opened'])
  })

  it('resolves when every socket was tried', async () => {
    const world = createPolicyWorld()
    world.engine.failing.set(API, 'EADDRINUSE')
    const release = world.engine.hold(WEB)
    let done = false
    const applying = world.apply(web, webSlice, api, apiSlice).then(() => {
      done = true
    })
    await settle()
    expect(done).toBe(false)
    release()
    await applying
    expect(world.logger.of('listener.failed')).toMatchObject([{ level: 'warn', fields: { key: API, code: 'EADDRINUSE' } }])
  })

  // Case 85.
  it('hands an address over between Services without touching its socket', async () => {
    const world = createPolicyWorld()
    const rival = aService('rival', {}, { creationTimestamp: '2024-01-01T00:00:00Z' })
    await world.apply(web, webSlice)
    await world.apply(web, webSlice, rival, aSlice('rival', ['10.1.0.7']))
    expect(world.go(WEB, A)).toBe('7')
    await world.apply(web, webSlice)
    expect(world.go(WEB, A)).toMatch(/^[12]$/)
    expect(world.engine.asked).toEqual([`open ${WEB}`])
  })
})

describe('putting a snapshot in force, when that fails', () => {
  it('does all of it when it is tried again with the same snapshot', async () => {
    const world = createPolicyWorld()
    await world.apply(web, webSlice)
    const { onPublish } = world.engine
    const next = world.compiler.compile([web, aSlice('web', ['10.1.0.3']), api, apiSlice])
    world.engine.onPublish = () => Promise.reject(new Error('no worker'))
    await expect(world.plane.apply(next)).rejects.toThrow('no worker')
    expect(world.go(WEB, A)).toBe('1')
    expect(world.engine.listening).toEqual([WEB])
    world.engine.onPublish = onPublish
    await world.plane.apply(next)
    expect(world.go(WEB, A)).toBe('3')
    expect(world.go(API, A)).toBe('9')
    expect(world.engine.listening).toEqual([WEB, API])
  })

  it('leaves nothing behind of what was wanted in between', async () => {
    const world = createPolicyWorld({ serviceSlots: 2, endpointSlots: 4 })
    await world.apply(web, webSlice)
    const { onPublish } = world.engine
    for (let n = 0; n < 10; n++) {
      world.engine.onPublish = () => Promise.reject(new Error('no worker'))
      await expect(
        world.apply(aService(`s${n}`, { clusterIP: '10.0.0.3' }), aSlice(`s${n}`, [`10.1.1.${n + 1}`])),
      ).rejects.toThrow()
      world.engine.onPublish = onPublish
      await world.apply(web, webSlice)
      world.passMoments()
    }
    expect([...world.plane.servicePorts()].map(({ key }) => key)).toEqual(['default/web:/TCP'])
    expect([...world.plane.pool.addresses()].map(({ route }) => route.key)).toEqual([WEB])
    expect(world.logger.of('ledger.full')).toEqual([])
    expect(world.go(WEB, A)).toMatch(/^[12]$/)
  })

  it('goes back where it was, when the next snapshot says so', async () => {
    const world = createPolicyWorld()
    const before = await world.apply(web, webSlice).then(() => world.plane.snapshot)
    world.engine.broken.add(`park ${WEB}`)
    await expect(world.apply(web, aSlice('web', []))).rejects.toThrow('broke')
    expect(world.go(WEB, A)).toBe('no-endpoint')
    if (before) await world.plane.apply(before)
    expect(world.go(WEB, A)).toBe('1')
    expect(world.engine.listening).toEqual([WEB])
  })

  it('takes away the routes of listeners that were closed all the same', async () => {
    const world = createPolicyWorld()
    await world.apply(web, webSlice, api, apiSlice)
    world.engine.broken.add(`park ${API}`)
    await expect(world.apply(api, aSlice('api', []))).rejects.toThrow('broke')
    expect(world.engine.listening).toEqual([API])
    await world.apply(api, apiSlice)
    expect(world.policy.timeouts(1)).toBeUndefined()
    expect(world.policy.timeouts(2)).toBeDefined()
    expect(world.go(API, A)).toBe('9')
  })

  it('gives up no slot before it succeeds', async () => {
    const world = createPolicyWorld({ endpointSlots: 2 })
    await world.apply(web, webSlice)
    const { onPublish } = world.engine
    world.engine.onPublish = () => Promise.reject(new Error('no worker'))
    await expect(world.apply(web, aSlice('web', ['10.1.0.3']))).rejects.toThrow()
    world.passMoments()
    world.engine.onPublish = onPublish
    expect(world.go(WEB, A, A)).toBe('1 2')
    expect(world.plane.ledger.endpointName(0)).toMatchObject({ key: '10.1.0.1:8080/TCP' })
    expect(world.plane.ledger.endpointName(1)).toMatchObject({ key: '10.1.0.2:8080/TCP' })
  })
})

describe('a data plane that is disposed', () => {
  it('stops its timers, disposes the engine and reads the last records', async () => {
    const world = createPolicyWorld()
    world.engine.failing.set(API, 'EADDRINUSE')
    const draining = { annotations: { 'portald.io/on-endpoint-removed': 'drain=30s' } }
    await world.apply(aService('web', {}, draining), webSlice, api, apiSlice)
    await world.apply(aService('web', {}, draining), api, apiSlice)
    const session = world.dial(API, A)
    session.close()
    expect(world.records).toEqual([])
    await world.plane[Symbol.asyncDispose]()
    expect(world.engine.disposed).toBe(true)
    expect(world.records).toHaveLength(1)
    expect(world.clock.pending).toBe(0)
  })
})
