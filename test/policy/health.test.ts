import { describe, expect, it } from 'vitest'
import type { CheckAnswer, CheckRequest } from '../../src/health/ask.ts'
import { aSlice } from '../support/objects.ts'
import { passing } from '../support/passing.ts'
import { createPolicyWorld } from './policy-world.ts'
import { clients, service, shares, slice, WEB } from './web-service.ts'

const CHECKED = { check: 'tcp' }
const STICKY = { sessionAffinity: 'ClientIP' }

/** A policy world whose endpoints answer checks, each as `answers` says by the last number of its address; good without. */
function createHealthWorld({ checksAtOnce = 64 } = {}) {
  const answers: Record<string, CheckAnswer> = {}
  const asked: CheckRequest[] = []
  const world = createPolicyWorld({
    checksAtOnce,
    ask(request) {
      asked.push(request)
      return Promise.resolve(answers[request.address.ip.split('.').at(-1) as string] ?? { said: 'up\n' })
    },
  })
  return {
    ...world,
    answers,
    asked,
    pass: passing(world.clock, 10),
    /** State by the last number of an endpoint's address. */
    states: () =>
      Object.fromEntries(world.plane.health.read().map(({ endpoint, state }) => [/\.(\d+):/.exec(endpoint)?.[1], state])),
    /** So many sessions are refused by this endpoint, and tried elsewhere. */
    refuse(n: number, times: number) {
      let refused = 0
      for (let client = 0; refused < times; client++) {
        const ip = `192.0.${3 + (client >> 8)}.${client & 255}`
        world.connect(WEB, ip, (endpoint) => {
          if (!endpoint.startsWith(`10.1.0.${n}:`)) return 'ok'
          refused++
          return 'refused'
        })
        if (client > 10 * times) return
      }
    },
  }
}

const REFUSED: CheckAnswer = { failure: 'connection refused' }

describe('an endpoint whose checks fail', () => {
  it('gets no new sessions from then on, and does again when they are good', async () => {
    const world = createHealthWorld()
    await world.apply(service(CHECKED), slice(1, 2, 3))
    await world.pass(500)
    world.answers['2'] = REFUSED
    await world.pass(3_000)
    expect(world.states()).toEqual({ 1: 'up', 2: 'down', 3: 'up' })
    expect(shares(world.go(WEB, ...clients(20)))).toEqual({ 1: 10, 3: 10 })
    delete world.answers['2']
    await world.pass(3_000)
    expect(world.states()).toEqual({ 1: 'up', 2: 'up', 3: 'up' })
    expect(shares(world.go(WEB, ...clients(30)))).toEqual({ 1: 10, 2: 10, 3: 10 })
  })

  it('is used until the first answer, which counts at once', async () => {
    const world = createHealthWorld()
    world.answers['1'] = REFUSED
    await world.apply(service(CHECKED), slice(1, 2))
    expect(shares(world.go(WEB, ...clients(4)))).toEqual({ 1: 2, 2: 2 })
    await world.pass(250)
    expect(shares(world.go(WEB, ...clients(4)))).toEqual({ 2: 4 })
  })

  it('is not one that could not be asked, for what we lack', async () => {
    const world = createHealthWorld()
    await world.apply(service({ ...CHECKED, 'agent-check': '1' }), slice(1, 2))
    await world.pass(500)
    world.answers['1'] = { unasked: 'EMFILE' }
    await world.pass(20_000)
    expect(world.states()).toEqual({ 1: 'up', 2: 'up' })
    expect(world.plane.health.read()[0]?.lastFailure).toBeUndefined()
  })

  it('keeps the sessions that it has', async () => {
    const world = createHealthWorld()
    await world.apply(service(CHECKED), slice(1, 2))
    const session = world.dial(WEB, '192.0.2.1').connected()
    world.answers[/\.(\d+):/.exec(session.outcome)?.[1] as string] = REFUSED
    await world.pass(3_000)
    expect(world.policy.serves(session.listener, session.endpoint?.slot ?? -1, session.client)).toBe(true)
    expect(world.active()).toEqual({ 'default/web:/TCP': 1 })
  })

  it('is left by clients that have affinity to it, and they stay where they went', async () => {
    const world = createHealthWorld()
    await world.apply(service(CHECKED, STICKY), slice(1, 2))
    expect(world.go(WEB, '192.0.2.1', '192.0.2.2')).toBe('1 2')
    world.answers['1'] = REFUSED
    await world.pass(3_000)
    expect(world.go(WEB, '192.0.2.1', '192.0.2.2')).toBe('2 2')
    delete world.answers['1']
    await world.pass(3_000)
    expect(world.go(WEB, '192.0.2.1', '192.0.2.2')).toBe('2 2')
  })

  it('is not where a session goes that others refused', async () => {
    const world = createHealthWorld()
    world.answers['3'] = REFUSED
    await world.apply(service(CHECKED), slice(1, 2, 3))
    await world.pass(500)
    const session = world.connect(WEB, '192.0.2.1', 'refused')
    expect(session.failed.join(' ')).not.toContain('10.1.0.3')
  })

  it('is used by a Service of UDP no more either', async () => {
    const world = createHealthWorld()
    world.answers['1'] = REFUSED
    const udp = { check: 'udp', 'check-send': 'hello' }
    const dns = aSlice('web', ['10.1.0.1', '10.1.0.2'], { ports: [{ name: '', port: 53, protocol: 'UDP' }] })
    await world.apply(service(udp, { ports: [{ port: 53, protocol: 'UDP' }] }), dns)
    await world.pass(500)
    expect(shares(world.go('UDP/10.0.0.1:53', ...clients(4)))).toEqual({ 2: 4 })
  })

  it('lets backups serve where all others are down', async () => {
    const world = createHealthWorld()
    await world.apply(service({ ...CHECKED, backup: '10.1.0.9' }), slice(1, 2, 9))
    world.answers['1'] = REFUSED
    world.answers['2'] = REFUSED
    await world.pass(3_000)
    expect(world.go(WEB, ...clients(2))).toBe('9 9')
    world.answers['9'] = REFUSED
    await world.pass(3_000)
    expect(shares(world.go(WEB, ...clients(4)))).toEqual({ 1: 2, 2: 2 })
  })

  it('comes back slowly, where others are there to carry the rest', async () => {
    const world = createHealthWorld()
    await world.apply(service({ ...CHECKED, scheduler: 'wrr', 'slow-start': '20s' }), slice(1, 2))
    world.answers['2'] = REFUSED
    await world.pass(3_000)
    delete world.answers['2']
    while (world.states()[2] !== 'up') await world.pass(10)
    expect(shares(world.go(WEB, ...clients(42)))).toEqual({ 1: 40, 2: 2 })
    await world.pass(20_000)
    expect(shares(world.go(WEB, ...clients(40)))).toEqual({ 1: 20, 2: 20 })
  })

  it('is asked about at once when sessions fail on it', async () => {
    const world = createHealthWorld()
    await world.apply(service({ ...CHECKED, 'check-interval': '1m' }), slice(1, 2))
    await world.pass(7_000)
    world.answers['1'] = REFUSED
    world.refuse(1, 1)
    await world.pass(20_000)
    expect(world.states()).toEqual({ 1: 'down', 2: 'up' })
  })

  it('is told of once, with what was wrong', async () => {
    const world = createHealthWorld()
    await world.apply(service(CHECKED), slice(1, 2))
    await world.pass(500)
    world.answers['1'] = REFUSED
    await world.pass(5_000)
    delete world.answers['1']
    await world.pass(5_000)
    const lines = world.logger.lines.filter(({ event }) => /^endpoint\.(up|down)/.test(event))
    expect(lines.map(({ event, level, fields }) => [event, level, fields])).toEqual([
      [
        'endpoint.down',
        'warn',
        { key: '10.1.0.1:8080/TCP', service: 'default/web:/TCP', up: 1, endpoints: 2, reason: 'tcp check: connection refused' },
      ],
      ['endpoint.up', 'info', { key: '10.1.0.1:8080/TCP', service: 'default/web:/TCP', up: 2, endpoints: 2 }],
    ])
    const [one] = world.plane.health.read()
    expect(one).toMatchObject({ state: 'up', lastFailure: { reason: 'tcp check: connection refused' } })
  })
})

describe('what is known of an endpoint', () => {
  it('survives changes of its Service and of other endpoints', async () => {
    const world = createHealthWorld()
    world.answers['1'] = REFUSED
    await world.apply(service(CHECKED), slice(1, 2))
    await world.pass(500)
    const questions = world.asked.length
    await world.apply(service({ ...CHECKED, 'idle-timeout': '5m' }), slice(1, 2, 3))
    expect(world.states()).toEqual({ 1: 'down', 2: 'up', 3: 'up' })
    expect(world.go(WEB, ...clients(2))).not.toContain('1')
    await world.apply(service({ ...CHECKED, 'check-fall': '5' }), slice(1, 2, 3))
    expect(world.states()[1]).toBe('down')
    expect(world.asked.length).toBe(questions)
  })

  it('is forgotten with its check, and when it leaves', async () => {
    const world = createHealthWorld()
    world.answers['1'] = REFUSED
    await world.apply(service(CHECKED), slice(1, 2))
    await world.pass(500)
    await world.apply(service({}), slice(1, 2))
    expect(world.plane.health.read()).toEqual([])
    expect(shares(world.go(WEB, ...clients(4)))).toEqual({ 1: 2, 2: 2 })
    await world.apply(service(CHECKED), slice(1, 2))
    await world.pass(500)
    await world.apply(service(CHECKED), slice(2))
    await world.apply(service(CHECKED), slice(1, 2))
    expect(shares(world.go(WEB, ...clients(4)))).toEqual({ 1: 2, 2: 2 })
  })

  it('is not asked for where new sessions do not go, but kept', async () => {
    const world = createHealthWorld()
    world.answers['1'] = REFUSED
    const ready = (one: boolean) => aSlice('web', [['10.1.0.1', { ready: one }], '10.1.0.2'])
    await world.apply(service(CHECKED), ready(true))
    await world.pass(500)
    await world.apply(service(CHECKED), ready(false))
    const before = world.asked.filter(({ address }) => address.ip === '10.1.0.1').length
    await world.pass(10_000)
    expect(world.asked.filter(({ address }) => address.ip === '10.1.0.1')).toHaveLength(before)
    await world.apply(service(CHECKED), ready(true))
    expect(world.states()).toEqual({ 1: 'down', 2: 'up' })
  })

  it('costs nothing when nothing is checked: nobody is asked, and no timer runs', async () => {
    const world = createHealthWorld()
    await world.apply(service({}), slice(1))
    const before = world.clock.pending
    await world.apply(service(CHECKED), slice(1))
    expect(world.clock.pending).toBeGreaterThan(before)
    await world.apply(service({}), slice(1))
    await world.pass(200)
    expect(world.clock.pending).toBe(before)
  })

  it('is asked by whom endpoints expect a PROXY header with a header that names nobody', async () => {
    const world = createHealthWorld()
    await world.apply(service({ ...CHECKED, 'send-proxy': 'v2' }), slice(1))
    await world.pass(500)
    expect(world.asked[0]).toMatchObject({ address: { ip: '10.1.0.1', port: 8080 }, proxyHeader: 2 })
    await world.apply(service({ ...CHECKED, 'send-proxy': 'v2', 'check-port': '9' }), slice(1))
    await world.pass(500)
    expect(world.asked.at(-1)).toMatchObject({ address: { ip: '10.1.0.1', port: 9 }, proxyHeader: undefined })
  })
})

describe('where too few endpoints are up', () => {
  it('all are used, when none is', async () => {
    const world = createHealthWorld()
    await world.apply(service(CHECKED, STICKY), slice(1, 2))
    const before = world.go(WEB, ...clients(4))
    for (const n of [1, 2]) world.answers[n] = REFUSED
    await world.pass(3_000)
    expect(world.states()).toEqual({ 1: 'down', 2: 'down' })
    // Clients with affinity have no reason to move.
    expect(world.go(WEB, ...clients(4))).toBe(before)
    expect(world.logger.of('endpoint.panic')).toHaveLength(1)
    delete world.answers['2']
    await world.pass(3_000)
    expect(shares(world.go(WEB, ...clients(4)))).toEqual({ 2: 4 })
  })

  it('all are used, when less than the threshold are', async () => {
    const world = createHealthWorld()
    await world.apply(service({ ...CHECKED, 'panic-threshold': '50%' }), slice(1, 2, 3, 4))
    for (const n of [1, 2]) world.answers[n] = REFUSED
    await world.pass(3_000)
    expect(shares(world.go(WEB, ...clients(4)))).toEqual({ 3: 2, 4: 2 })
    world.answers['3'] = REFUSED
    await world.pass(3_000)
    expect(shares(world.go(WEB, ...clients(4)))).toEqual({ 1: 1, 2: 1, 3: 1, 4: 1 })
    await world.apply(service({ ...CHECKED, 'panic-threshold': '20%' }), slice(1, 2, 3, 4))
    expect(shares(world.go(WEB, ...clients(4)))).toEqual({ 4: 4 })
  })
})

describe('an endpoint on which sessions fail', () => {
  const EJECTING = { 'eject-after': '5' }

  it('is out for a while, longer each time', async () => {
    const world = createHealthWorld()
    await world.apply(service(EJECTING), slice(1, 2))
    world.refuse(1, 4)
    await world.pass(200)
    expect(world.states()).toEqual({ 1: 'up', 2: 'up' })
    world.refuse(1, 1)
    await world.pass(200)
    expect(world.states()).toEqual({ 1: 'ejected', 2: 'up' })
    expect(shares(world.go(WEB, ...clients(4)))).toEqual({ 2: 4 })
    await world.pass(9_500)
    expect(world.states()[1]).toBe('ejected')
    await world.pass(2_000)
    expect(world.states()[1]).toBe('up')
    world.refuse(1, 5)
    await world.pass(18_000)
    expect(world.states()[1]).toBe('ejected')
    await world.pass(5_000)
    expect(world.states()[1]).toBe('up')
    expect(world.logger.of('endpoint.ejected').map(({ fields }) => fields['reason'])).toEqual(
      Array(2).fill('5 failures in a row'),
    )
  })

  it('stays when it answers in between', async () => {
    const world = createHealthWorld()
    await world.apply(service(EJECTING), slice(1, 2))
    for (let n = 0; n < 5; n++) {
      world.refuse(1, 3)
      world.go(WEB, ...clients(4))
      await world.pass(200)
    }
    expect(world.states()).toEqual({ 1: 'up', 2: 'up' })
  })

  it('is out for sessions that it resets before it says anything, too', async () => {
    const world = createHealthWorld()
    await world.apply(service(EJECTING), slice(1, 2))
    const serve = (facts: { bytesFromEndpoint: number }) => {
      const session = world.connect(WEB, '192.0.2.1')
      session.close(session.outcome.startsWith('10.1.0.1:') ? 'endpoint-reset' : 'client-closed', facts)
    }
    for (let n = 0; n < 20; n++) serve({ bytesFromEndpoint: 10 })
    await world.pass(200)
    expect(world.states()).toEqual({ 1: 'up', 2: 'up' })
    for (let n = 0; n < 10; n++) serve({ bytesFromEndpoint: 0 })
    await world.pass(200)
    expect(world.states()).toEqual({ 1: 'ejected', 2: 'up' })
  })

  it('is not joined by others beyond the share', async () => {
    const world = createHealthWorld()
    await world.apply(service(EJECTING), slice(1, 2, 3))
    for (const ip of clients(20)) world.connect(WEB, ip, (endpoint) => (endpoint.includes('.3:') ? 'ok' : 'refused'))
    await world.pass(500)
    expect(Object.values(world.states()).filter((state) => state === 'ejected')).toHaveLength(1)
    await world.apply(service({ ...EJECTING, 'eject-most': '100%' }), slice(1, 2, 3))
    await world.pass(200)
    expect(Object.values(world.states()).filter((state) => state === 'ejected')).toHaveLength(2)
  })

  it('is not out when it is alone', async () => {
    const world = createHealthWorld()
    await world.apply(service(EJECTING), slice(1))
    for (const ip of clients(9)) world.connect(WEB, ip, 'refused')
    await world.pass(500)
    expect(world.states()).toEqual({ 1: 'up' })
  })

  it('stays out for its time, whatever else changes', async () => {
    const world = createHealthWorld()
    await world.apply(service(EJECTING), slice(1, 2))
    world.refuse(1, 5)
    await world.pass(200)
    await world.apply(service({ ...EJECTING, 'udp-timeout': '5s' }), slice(1, 2, 3))
    expect(world.states()).toEqual({ 1: 'ejected', 2: 'up', 3: 'up' })
    expect(world.go(WEB, ...clients(4))).not.toContain('1')
    await world.apply(service({}), slice(1, 2, 3))
    expect(shares(world.go(WEB, ...clients(6)))[1]).toBe(2)
  })
})

describe('the agent of an endpoint', () => {
  const AGENT = { 'agent-check': '8100' }

  it('says what share of its weight it wants', async () => {
    const world = createHealthWorld()
    world.answers['1'] = { said: '50%\n' }
    await world.apply(service({ ...AGENT, scheduler: 'wrr' }), slice(1, 2))
    await world.pass(500)
    expect(world.asked[0]).toMatchObject({ question: { how: 'agent' }, address: { port: 8100 } })
    expect(shares(world.go(WEB, ...clients(30)))).toEqual({ 1: 10, 2: 20 })
    expect(world.plane.health.read()[0]).toMatchObject({ agentPercent: 50, state: 'up' })
    world.answers['1'] = { said: 'ready\n' }
    await world.pass(3_000)
    expect(shares(world.go(WEB, ...clients(30)))).toEqual({ 1: 15, 2: 15 })
  })

  it('drains it: clients with affinity stay, others go elsewhere', async () => {
    const world = createHealthWorld()
    await world.apply(service(AGENT, STICKY), slice(1, 2))
    expect(world.go(WEB, '192.0.2.1', '192.0.2.2')).toBe('1 2')
    world.answers['1'] = { said: 'drain\n' }
    await world.pass(3_000)
    expect(world.go(WEB, '192.0.2.1', '192.0.2.3', '192.0.2.4')).toBe('1 2 2')
  })

  it('takes it out, and brings it back', async () => {
    const world = createHealthWorld()
    await world.apply(service(AGENT), slice(1, 2))
    world.answers['1'] = { said: 'down # disk full\n' }
    await world.pass(3_000)
    expect(world.go(WEB, ...clients(2))).toBe('2 2')
    expect(world.logger.of('endpoint.down')[0]?.fields).toMatchObject({ reason: 'agent: disk full' })
    world.answers['1'] = { said: 'up\n' }
    await world.pass(3_000)
    expect(shares(world.go(WEB, ...clients(4)))).toEqual({ 1: 2, 2: 2 })
  })

  it('changes nothing when it is away, or makes no sense', async () => {
    const world = createHealthWorld()
    world.answers['1'] = { said: 'down\n' }
    await world.apply(service(AGENT), slice(1, 2))
    await world.pass(500)
    for (const answer of [REFUSED, { said: 'HTTP/1.1 200 OK\r\n' }]) {
      world.answers['1'] = answer
      world.answers['2'] = answer
      await world.pass(10_000)
      expect(world.states()).toEqual({ 1: 'down', 2: 'up' })
    }
    expect(world.plane.health.read()[0]?.lastFailure?.reason).toBe('agent: the answer makes no sense')
  })
})

describe('totals', () => {
  it('count states, changes and answers', async () => {
    const world = createHealthWorld()
    world.answers['1'] = REFUSED
    await world.apply(service({ ...CHECKED, 'check-interval': '1s' }), slice(1, 2))
    await world.pass(5_000)
    const [totals] = world.plane.health.totals()
    expect(totals).toMatchObject({
      service: 'default/web:/TCP',
      states: { up: 1, down: 1, ejected: 0 },
      changes: { up: 0, down: 1, ejected: 0 },
    })
    expect(totals?.checks.good).toBeGreaterThan(3)
    expect(totals?.checks.bad).toBeGreaterThan(3)
  })
})
