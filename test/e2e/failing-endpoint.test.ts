import { expect, it } from 'vitest'
import { TcpEndpoint } from '../support/echo.ts'
import { eventually } from '../support/eventually.ts'
import { aService, type Json } from '../support/objects.ts'
import { EARLY_MS } from '../support/pass.ts'
import { describeOnEngines, slicesOf } from '../support/world.ts'

const WEB = '127.70.6.1:8080'
const METRICS = '127.70.6.254:10249'
const LABELS = '{service="default/web:",protocol="TCP"}'

const service = (annotations: Json = {}, spec: Json = {}): Json =>
  aService('web', { clusterIP: '127.70.6.1', ports: [{ port: 8080 }], ...spec }, { annotations })

describeOnEngines('an endpoint', '127.70.6', (open) => {
  // Case 67.
  it('that refuses is passed over, the client sees none of it, and each retry is counted once', async () => {
    await using world = await open({ inputs: { metricsBindAddress: METRICS } })
    const [refusing, [a]] = [await world.refusing(), await world.endpoints('a')]
    await world.apply(service(), slicesOf('web', [refusing, a as TcpEndpoint]))
    expect(new Set(await world.askTimes(6, WEB))).toEqual(new Set(['a']))
    const retries = (await world.ended(6)).reduce((sum, { attempts }) => sum + attempts - 1, 0)
    expect(retries).toBeGreaterThan(0)
    expect(await world.metric(METRICS, `portald_dial_retries_total${LABELS}`)).toBe(retries)
    expect(await world.metric(METRICS, `portald_dial_failures_total${LABELS}`)).toBe(retries)
    expect(await world.metric(METRICS, `portald_dial_attempts_total${LABELS}`)).toBe(6 + retries)
    expect(await world.metric(METRICS, `portald_sessions_total${LABELS}`)).toBe(6)
  })

  it('that speaks first is heard at once, whether it was the first to be asked or not', async () => {
    await using world = await open()
    const [refusing, [a]] = [await world.refusing(), await world.endpoints('a')]
    await world.apply(service(), slicesOf('web', [refusing, a as TcpEndpoint]))
    let shortestMs = Number.POSITIVE_INFINITY
    for (let n = 0; n < 8; n++) {
      const startedMs = performance.now()
      const client = await world.greeted(WEB)
      const tookMs = performance.now() - startedMs
      client.halfClose()
      if ((await world.ended(n + 1))[n]?.attempts === 2) shortestMs = Math.min(shortestMs, tookMs)
    }
    // What would make it wait is a timer of the system's, of 40 to 200 ms.
    expect(shortestMs).toBeLessThan(35)
  })

  // Case 68.
  it('that does not answer delays nobody but its own client, who gets another one', async () => {
    await using world = await open()
    const [hole, [a]] = [await world.blackHole(), await world.endpoints('a')]
    await world.apply(service({ 'portald.io/connect-timeout': '1500ms' }), slicesOf('web', [hole, a as TcpEndpoint]))
    const clients = [world.start(WEB), world.start(WEB)]
    const first = await Promise.race(clients.map((client) => client.receives('a')))
    const [other] = clients.filter((client) => client !== first)
    expect(other?.received.bytes).toBe(0)
    await other?.receives('a')
    for (const client of clients) client.halfClose()
    const records = await world.ended(2)
    expect(records.map(({ attempts }) => attempts).sort()).toEqual([1, 2])
  })

  it('that does not answer, and is alone, gets every attempt before the client is turned away', async () => {
    await using world = await open()
    await world.apply(service({ 'portald.io/connect-timeout': '100ms,200ms,100ms' }), slicesOf('web', [await world.blackHole()]))
    expect(await world.start(WEB).ends()).toBe('reset')
    const [record] = await world.ended(1)
    expect(record).toMatchObject({ end: 'connect-timeout', attempts: 3 })
    expect(record?.durationMs).toBeGreaterThan(400 - 3 * EARLY_MS)
  })

  // Case 69.
  it('that refuses like all others costs the client no more than the attempts, and a prompt reset', async () => {
    await using world = await open()
    const refusing = [await world.refusing(), await world.refusing(), await world.refusing()]
    await world.apply(service(), slicesOf('web', refusing))
    const client = await world.connect(WEB)
    expect(await client.ends()).toBe('reset')
    const [record] = await world.ended(1)
    expect(record).toMatchObject({ end: 'connect-refused', attempts: 4, bytesFromEndpoint: 0 })
    expect(record?.durationMs).toBeLessThan(1_000)
    // Endpoints that are there but fail never close a socket.
    expect(await world.knock(WEB)).toBe('accepted')
    expect(world.states()).toEqual({ [`TCP/${WEB}`]: 'listening' })
  })

  it('that comes up late serves the client that waited for it', async () => {
    await using world = await open()
    const down = await world.refusing()
    const patient = { 'portald.io/connect-timeout': '2s', 'portald.io/attempts': '16' }
    await world.apply(service(patient), slicesOf('web', [down]))
    expect(await world.connect(WEB).then((client) => client.ends())).toBe('reset')
    await world.keep(TcpEndpoint.open(down.address.ip, 'say back, shut', down.address.port))
    expect(await world.ask(WEB)).toBe('back')
  })

  // Case 70.
  it('that dies loses its sticky clients to another one, where they stay though it comes back', async () => {
    await using world = await open()
    const endpoints = (await world.endpoints('a', 'b', 'c')) as [TcpEndpoint, TcpEndpoint, TcpEndpoint]
    await world.apply(service({}, { sessionAffinity: 'ClientIP' }), slicesOf('web', endpoints))
    const from = '127.70.6.201'
    const first = await world.ask(WEB, from)
    const dead = endpoints['abc'.indexOf(first)] as TcpEndpoint
    await dead[Symbol.asyncDispose]()
    const second = await world.ask(WEB, from)
    expect(second).not.toBe(first)
    expect(new Set(await world.askTimes(6, WEB, from))).toEqual(new Set([second]))
    await world.keep(TcpEndpoint.open(dead.address.ip, `say ${first}, echo`, dead.address.port))
    expect(new Set(await world.askTimes(6, WEB, from))).toEqual(new Set([second]))
    expect(new Set(await world.askTimes(3, WEB, '127.70.6.202')).size).toBe(1)
    await eventually(() => expect(world.records.filter(({ attempts }) => attempts > 1)).toHaveLength(1))
  })
})
