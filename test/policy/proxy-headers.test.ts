import { describe, expect, it } from 'vitest'
import { aService, aSlice, type Json } from '../support/objects.ts'
import { createPolicyWorld } from './policy-world.ts'

const WEB = 'TCP/10.0.0.1:80'
const BALANCER = '203.0.113.1'
const slice = aSlice('web', ['10.1.0.1', '10.1.0.2', '10.1.0.3'])
const service = (annotations: Json, spec: Json = {}) => aService('web', spec, { annotations })
const accepting = (annotations: Json = {}, spec: Json = {}) =>
  service({ 'portald.io/accept-proxy': `${BALANCER},2001:db8:1::/48`, ...annotations }, spec)

async function worldWith(...objects: Json[]) {
  const world = createPolicyWorld()
  await world.apply(...objects)
  return world
}

describe('a Service that accepts PROXY headers', () => {
  it('decides once it knows who the client is, and counts it from the beginning', async () => {
    const world = await worldWith(accepting(), slice)
    const session = world.dial(WEB, BALANCER)
    expect(session).toMatchObject({ outcome: 'asking', hearMs: 3000, attempts: 0 })
    expect(world.active()).toEqual({ 'default/web:/TCP': 1 })
    expect(session.introduces('192.0.2.1').outcome).toBe('10.1.0.1:8080/TCP')
    session.connected().close()
    expect(world.active()).toEqual({ 'default/web:/TCP': 0 })
    await world.passMoments()
    expect(world.records).toMatchObject([{ client: '192.0.2.1:40000', end: 'client-closed' }])
  })

  it('denies everybody else at once', async () => {
    const world = await worldWith(accepting(), slice)
    expect(world.dial(WEB, '203.0.113.2')).toMatchObject({ outcome: 'denied', hearMs: undefined })
    expect(world.dial(WEB, '2001:db8:2::1')).toMatchObject({ outcome: 'denied', hearMs: undefined })
    expect(world.dial(WEB, '2001:db8:1::1')).toMatchObject({ outcome: 'asking' })
  })

  it('remembers the client of the header, not who brought it', async () => {
    const world = await worldWith(accepting({}, { sessionAffinity: 'ClientIP' }), slice)
    const go = (client: string) => world.dial(WEB, BALANCER).introduces(client).outcome
    const first = [go('192.0.2.1'), go('192.0.2.2'), go('192.0.2.3')]
    expect(new Set(first).size).toBe(3)
    expect([go('192.0.2.1'), go('192.0.2.2'), go('192.0.2.3')]).toEqual(first)
  })

  it('tries again for the client of the header', async () => {
    const world = await worldWith(accepting(), slice)
    const session = world.dial(WEB, BALANCER).introduces('192.0.2.1').refused().timesOut()
    expect(session).toMatchObject({ outcome: '10.1.0.3:8080/TCP', attempts: 3 })
  })

  it('that goes while it listens serves the client no more; that begins to leaves running sessions alone', async () => {
    const world = await worldWith(accepting(), slice)
    const heard = world.dial(WEB, BALANCER)
    await world.apply(service({}), slice)
    expect(heard.introduces('192.0.2.1').outcome).toBe('10.1.0.1:8080/TCP')
    const running = world.dial(WEB, '192.0.2.9')
    await world.apply(accepting(), slice)
    expect(running.refused().outcome).toBe('10.1.0.3:8080/TCP')
    const late = world.dial(WEB, BALANCER)
    await world.apply()
    expect(late.introduces('192.0.2.1').outcome).toBe('no-endpoint')
  })
})

describe('a Service that sends PROXY headers', () => {
  it('says so with every attempt, by one object', async () => {
    const world = await worldWith(service({ 'portald.io/send-proxy': 'v1' }), slice)
    const session = world.dial(WEB, '192.0.2.1')
    const { prelude } = session
    expect(prelude).toMatchObject({ version: 1 })
    expect(session.refused().prelude).toBe(prelude)
    expect(world.dial(WEB, '192.0.2.2').prelude).toBe(prelude)
    await world.apply(service({}), slice)
    expect(world.dial(WEB, '192.0.2.1').prelude).toBeUndefined()
  })
})
