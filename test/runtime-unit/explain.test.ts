import { describe, expect, it } from 'vitest'
import type { Explanation } from '../../src/model/explanation.ts'
import type { Ip, Port } from '../../src/model/keys.ts'
import { createPolicyWorld } from '../policy/policy-world.ts'
import { inspectorOf } from '../support/inspected-world.ts'
import { aService, aSlice } from '../support/objects.ts'

type PolicyWorld = ReturnType<typeof createPolicyWorld>

function ask(world: PolicyWorld, client: string, ip = '10.0.0.1', port = 80): Explanation {
  const destination = { ip: ip as Ip, port: port as Port }
  return inspectorOf(world).explain({ client: client as Ip, protocol: undefined, destination })
}

const says = ({ steps }: Explanation) => steps.map(({ step, passed, says: text }) => `${passed ? 'ok' : 'no'} ${step}: ${text}`)
const WEB = 'TCP/10.0.0.1:80'
const THREE = ['10.1.0.1', '10.1.0.2', '10.1.0.3']

describe('an explanation', () => {
  it('names the endpoint that is next, and those after it, and moves nothing', async () => {
    const world = createPolicyWorld()
    await world.apply(aService('web'), aSlice('web', THREE))
    world.go('TCP/10.0.0.1:80', '192.0.2.1')
    for (let n = 0; n < 5; n++) {
      expect(ask(world, '192.0.2.1').outcome).toEqual({
        do: 'forward',
        endpoint: '10.1.0.2:8080',
        next: ['10.1.0.3:8080', '10.1.0.1:8080', '10.1.0.2:8080'],
        by: 'turn',
      })
    }
    expect(world.go('TCP/10.0.0.1:80', '192.0.2.1')).toBe('2')
    expect(inspectorOf(world).status().services[0]?.attempts).toBe(2)
  })

  it('is what then happens, by every way of choosing that goes by more than chance', async () => {
    for (const scheduler of ['rr', 'wrr', 'lc', 'wlc', 'sed', 'nq', 'sh', 'dh', 'mh']) {
      const world = createPolicyWorld()
      const annotations = { 'portald.io/scheduler': scheduler }
      await world.apply(aService('web', {}, { annotations }), aSlice('web', THREE))
      for (let n = 0; n < 20; n++) {
        const client = `192.0.2.${n}`
        const { outcome } = ask(world, client)
        const session = world.dial('TCP/10.0.0.1:80', client)
        expect(outcome.do === 'forward' && `${outcome.endpoint}/TCP`, scheduler).toBe(session.outcome)
      }
    }
  })

  it('says that a client would wait where its Service is full, or holds clients, and takes no place', async () => {
    const world = createPolicyWorld()
    const annotations = { 'portald.io/max-connections': '1', 'portald.io/hold': '30s' }
    await world.apply(aService('web', {}, { annotations }))
    expect(ask(world, '192.0.2.1').outcome).toEqual({ do: 'wait', withinMs: 30_000, end: 'no-endpoint' })
    await world.apply(aService('web', {}, { annotations }), aSlice('web', THREE))
    for (let n = 0; n < 3; n++) expect(ask(world, '192.0.2.1').outcome).toMatchObject({ do: 'forward' })
    const session = world.dial(WEB, '192.0.2.1')
    const full = ask(world, '192.0.2.1')
    expect(full.outcome).toEqual({ do: 'wait', withinMs: 5_000, end: 'queue-timeout' })
    expect(says(full).at(-1)).toBe('no scheduler: rr has nobody with a place to choose')
    session.close()
    expect(ask(world, '192.0.2.1').outcome).toMatchObject({ do: 'forward', endpoint: '10.1.0.2:8080' })
  })

  it('tells of the endpoint that a client is remembered for', async () => {
    const world = createPolicyWorld()
    await world.apply(aService('web', { sessionAffinity: 'ClientIP' }), aSlice('web', THREE))
    expect(says(ask(world, '192.0.2.1')).slice(2)).toEqual([
      'ok affinity: nothing is remembered of this client (kept for 3h)',
      'ok scheduler: rr chooses 10.1.0.1:8080',
    ])
    world.go('TCP/10.0.0.1:80', '192.0.2.1')
    world.clock.advance(60_000)
    for (let n = 0; n < 2; n++) {
      const explanation = ask(world, '192.0.2.1')
      expect(says(explanation)).toEqual([
        'ok listener: TCP/10.0.0.1:80 is the clusterIP of default/web:/TCP',
        'ok endpoints: 3 of 3 endpoints can be chosen',
        'ok affinity: it went to 10.1.0.1:8080 1m ago (kept for 3h), and goes there again',
      ])
      expect(explanation.outcome).toMatchObject({ endpoint: '10.1.0.1:8080', by: 'affinity' })
    }
    // The look did not count as a visit.
    world.clock.advance(3 * 3_600_000 - 60_001)
    expect(says(ask(world, '192.0.2.1'))[2]).toContain('and goes there again')
    world.clock.advance(2)
    expect(says(ask(world, '192.0.2.1')).slice(2)).toEqual([
      'ok affinity: it went to 10.1.0.1:8080 3h ago (kept for 3h), which is too long',
      'ok scheduler: rr chooses 10.1.0.2:8080',
    ])
  })

  it('says why each endpoint is in or out', async () => {
    const world = createPolicyWorld()
    const annotations = { 'portald.io/weights': '10.1.0.2=0', 'portald.io/backup': '10.1.0.5' }
    await world.apply(
      aService('web', {}, { annotations }),
      aSlice('web', [
        '10.1.0.1',
        '10.1.0.2',
        ['10.1.0.3', { ready: false }],
        ['10.1.0.4', { ready: false, serving: true, terminating: true }],
        '10.1.0.5',
        '10.1.0.6',
      ]),
    )
    inspectorOf(world).drain({ endpoint: '10.1.0.6' }, true)
    const why = Object.fromEntries(ask(world, '192.0.2.1').endpoints.map((endpoint) => [endpoint.endpoint, endpoint.why]))
    expect(why).toEqual({
      '10.1.0.1:8080': undefined,
      '10.1.0.2:8080': 'its weight is 0: only clients with affinity',
      '10.1.0.3:8080': 'the objects say that it is not ready',
      '10.1.0.4:8080': 'terminating, and others are not',
      '10.1.0.5:8080': undefined,
      '10.1.0.6:8080': 'taken out at run time',
    })
  })

  it('says who is out because sessions found it failing, and who is used all the same', async () => {
    const world = createPolicyWorld()
    const annotations = { 'portald.io/eject-after': '2', 'portald.io/eject-most': '100%', 'portald.io/panic-threshold': '50%' }
    await world.apply(aService('web', {}, { annotations }), aSlice('web', ['10.1.0.1', '10.1.0.2']))
    const fail = async (endpoint: string) => {
      for (let n = 0; n < 4; n++) world.connect(WEB, '192.0.2.1', (key) => (key.startsWith(endpoint) ? 'refused' : 'ok')).close()
      world.clock.advance(100)
      return Object.fromEntries(ask(world, '192.0.2.1').endpoints.map((one) => [one.endpoint, `${one.state} ${one.in}`]))
    }
    expect(await fail('10.1.0.1')).toEqual({ '10.1.0.1:8080': 'unhealthy false', '10.1.0.2:8080': 'serving true' })
    const [, ejected] = [ask(world, '192.0.2.1'), inspectorOf(world).status().services[0]?.endpoints[0]]
    expect(ejected?.health).toMatchObject({ state: 'ejected', until: expect.any(String) })
    expect(ask(world, '192.0.2.1').outcome).toMatchObject({ endpoint: '10.1.0.2:8080' })
    expect(await fail('10.1.0.2')).toEqual({ '10.1.0.1:8080': 'unhealthy true', '10.1.0.2:8080': 'unhealthy true' })
  })

  it('says who is denied, and by what', async () => {
    const world = createPolicyWorld()
    const balanced = { type: 'LoadBalancer', loadBalancerSourceRanges: ['198.51.100.0/24'] }
    await world.apply(
      aService('web', balanced, {}, { status: { loadBalancer: { ingress: [{ ip: '203.0.113.1' }] } } }),
      aSlice('web', THREE),
    )
    const denied = ask(world, '192.0.2.1', '203.0.113.1')
    expect(says(denied)).toEqual([
      'ok listener: TCP/203.0.113.1:80 is the loadBalancer of default/web:/TCP',
      'no source-ranges: the client is outside of 198.51.100.0/24',
    ])
    expect(denied.outcome).toEqual({ do: 'refuse', end: 'denied' })
    expect(says(ask(world, '198.51.100.7', '203.0.113.1'))[1]).toBe('ok source-ranges: the client is inside of 198.51.100.0/24')
    expect(ask(world, '192.0.2.1').outcome).toMatchObject({ do: 'forward' })
  })

  it('says what rules about clients make of one', async () => {
    const world = createPolicyWorld()
    const rules = (annotations: Record<string, string>) => world.apply(aService('web', {}, { annotations }), aSlice('web', THREE))
    await rules({ 'portald.io/allow-from': '192.0.2.0/24', 'portald.io/deny-from': '192.0.2.66', 'portald.io/turn-away': 'drop' })
    expect(says(ask(world, '192.0.2.66'))[1]).toBe('no clients: the client is in what deny-from lists')
    const outside = ask(world, '198.51.100.1')
    expect([says(outside)[1], outside.outcome]).toEqual([
      'no clients: the client is not in what allow-from lists',
      { do: 'refuse', end: 'denied' },
    ])
    expect(says(ask(world, '192.0.2.1'))[1]).toBe('ok clients: its address is permitted')
    await rules({ 'portald.io/client-sessions': '1' })
    for (let times = 0; times < 2; times++) {
      const limited = ask(world, '192.0.2.1')
      expect(says(limited)[1]).toBe('ok clients: the client is served as far as limits on sessions and rates allow')
      expect(limited.outcome).toMatchObject({ do: 'forward' })
    }
  })

  it('knows where a client went by the address of its endpoint, or by its network', async () => {
    const world = createPolicyWorld()
    const annotations = { 'portald.io/affinity-scope': 'service', 'portald.io/client-prefix': '24,64' }
    await world.apply(aService('web', { sessionAffinity: 'ClientIP' }, { annotations }), aSlice('web', THREE))
    const outcome = world.dial('TCP/10.0.0.1:80', '192.0.2.1').connected().outcome
    expect(ask(world, '192.0.2.99').outcome).toMatchObject({ endpoint: outcome.replace('/TCP', ''), by: 'affinity' })
  })

  it('says that nobody is there to choose', async () => {
    const world = createPolicyWorld()
    await world.apply(aService('web'), aSlice('web', [['10.1.0.1', { ready: false }]]))
    const parked = ask(world, '192.0.2.1')
    expect(says(parked)).toEqual([
      'no listener: TCP/10.0.0.1:80 is the clusterIP of default/web:/TCP, and is parked: it has no endpoint',
    ])
    expect(parked.outcome).toEqual({ do: 'refuse', end: 'no-endpoint' })
    await world.apply(aService('web'), aSlice('web', THREE))
    inspectorOf(world).drain({ service: 'default/web' }, true)
    expect(says(ask(world, '192.0.2.1')).slice(1)).toEqual([
      'no endpoints: 0 of 3 endpoints can be chosen',
      'no scheduler: rr has nobody to choose',
    ])
  })

  it('says what is near an address where nothing listens', async () => {
    const world = createPolicyWorld()
    await world.apply(aService('web'), aSlice('web', THREE))
    expect(says(ask(world, '192.0.2.1', '10.0.0.1', 81))).toEqual([
      'no listener: nothing listens on port 81 of 10.0.0.1; there is TCP/10.0.0.1:80',
    ])
    expect(says(ask(world, '192.0.2.1', '10.9.9.9'))).toEqual(['no listener: no Service has the address 10.9.9.9'])
  })
})
