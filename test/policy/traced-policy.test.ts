import { describe, expect, it } from 'vitest'
import { TracedPolicy } from '../../src/listener/traced-policy.ts'
import type { Cidr, ListenerKey } from '../../src/model/keys.ts'
import { createStepRing, STEP_KINDS, StepReader } from '../../src/observe/step-ring.ts'
import { aService, aSlice } from '../support/objects.ts'
import { connectSession, ScriptedSession } from '../support/scripted-client.ts'
import { createPolicyWorld } from './policy-world.ts'

const WEB = 'TCP/10.0.0.1:80'

describe('a policy that is followed', () => {
  async function followed(clients: readonly Cidr[]) {
    const world = createPolicyWorld()
    const ranges = { type: 'LoadBalancer', loadBalancerSourceRanges: ['192.0.2.0/24'] }
    await world.apply(
      aService('web', ranges, {}, { status: { loadBalancer: { ingress: [{ ip: '203.0.113.1' }] } } }),
      aSlice('web', ['10.1.0.1', '10.1.0.2']),
    )
    const listener = (key: string) => world.plane.pool.idOf(key as ListenerKey) as number
    const ring = createStepRing()
    const filters = [{ listeners: [listener(WEB), listener('TCP/203.0.113.1:80')], clients }]
    const policy = new TracedPolicy(world.policy, world.clock, { filters, rings: [ring] }, 0)
    const reader = new StepReader(ring)
    const steps = () => reader.drain().map(({ kind, value }) => `${STEP_KINDS[kind]} ${value}`)
    const connect = (key: string, ip: string, answers: Parameters<typeof connectSession>[4]) =>
      connectSession(policy, world.clock, listener(key), ip, answers)
    return { world, steps, connect }
  }

  it('decides and counts as it would by itself, and tells every step', async () => {
    const { world, steps, connect } = await followed([])
    const session = connect(WEB, '192.0.2.1', (_endpoint, attempt) =>
      attempt === 0 ? 'refused' : attempt === 1 ? 'timeout' : 'ok',
    )
    session.close('client-closed')
    expect(steps()).toEqual(['began 0', 'chosen 1', 'failed 0', 'chosen 2', 'failed 1', 'chosen 3', 'ended 0'])
    expect(connect('TCP/203.0.113.1:80', '198.51.100.1', 'ok').outcome).toBe('denied')
    expect(steps()).toEqual(['began 0', 'ended 10'])
    world.passMoments()
    expect(world.records.map(({ end, attempts }) => [end, attempts])).toEqual([
      ['client-closed', 3],
      ['denied', 0],
    ])
    expect(world.active()).toEqual({ 'default/web:/TCP': 0 })
  })

  it('counts clients and has them wait as it would by itself', async () => {
    const world = createPolicyWorld()
    const annotations = {
      'portald.io/client-sessions': '2',
      'portald.io/client-rate': '1/s,burst=1',
      'portald.io/turn-away': 'delay',
    }
    await world.apply(aService('web', {}, { annotations }), aSlice('web', ['10.1.0.1']))
    const listener = world.plane.pool.idOf(WEB as ListenerKey) as number
    const ring = createStepRing()
    const filters = [{ listeners: [listener], clients: [] }]
    const policy = new TracedPolicy(world.policy, world.clock, { filters, rings: [ring] }, 0)
    const come = () => new ScriptedSession(policy, world.clock, listener, '192.0.2.1')
    const [first, second, third] = [come(), come(), come()]
    expect([first.outcome, second.delayedMs, third.outcome]).toEqual(['10.1.0.1:8080/TCP', 1000, 'client-limit'])
    expect(second.waited().outcome).toBe('10.1.0.1:8080/TCP')
    for (const session of [first, second]) session.connected().close()
    expect(come().delayedMs).toBe(2000)
    const kinds = new StepReader(ring).drain().map(({ kind }) => STEP_KINDS[kind])
    expect(kinds.join(' ')).toBe('began chosen began began ended chosen ended ended began')
  })

  it('tells that a client waits, and when it has its turn', async () => {
    const world = createPolicyWorld()
    const annotations = { 'portald.io/max-connections': '1' }
    await world.apply(aService('web', {}, { annotations }), aSlice('web', ['10.1.0.1']))
    const listener = world.plane.pool.idOf(WEB as ListenerKey) as number
    const ring = createStepRing()
    const order = { filters: [{ listeners: [listener], clients: ['192.0.2.2/32' as Cidr] }], rings: [ring] }
    const policy = new TracedPolicy(world.policy, world.clock, order, 0)
    const first = new ScriptedSession(policy, world.clock, listener, '192.0.2.1')
    const second = new ScriptedSession(policy, world.clock, listener, '192.0.2.2')
    expect([first.outcome, second.outcome]).toEqual(['10.1.0.1:8080/TCP', 'asking'])
    expect(policy.waiting.next()).toBe(-1)
    first.close()
    expect(policy.waiting.next()).toBe(second.id)
    expect(second.askAgain().outcome).toBe('10.1.0.1:8080/TCP')
    second.close()
    const steps = new StepReader(ring).drain().map(({ kind, value }) => `${STEP_KINDS[kind]} ${value}`)
    expect(steps).toEqual(['began 0', 'waiting 0', 'chosen 1', 'ended 0'])
  })

  it('tells nothing of other clients', async () => {
    const { steps, connect } = await followed(['192.0.2.7/32' as Cidr])
    connect(WEB, '192.0.2.1', 'ok').close()
    expect(steps()).toEqual([])
    connect(WEB, '192.0.2.7', 'ok').close()
    expect(steps()).toEqual(['began 0', 'chosen 1', 'ended 0'])
  })
})
