import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { TcpEndpoint, UdpEndpoint } from '../support/echo.ts'
import { eventually } from '../support/eventually.ts'
import { aService, type Json } from '../support/objects.ts'
import { pass } from '../support/pass.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'
import { describeOnEngines, slicesOf, type World } from '../support/world.ts'

const WEB = '127.130.2.1:8080'
const METRICS = '127.130.2.254:10249'
const LABELS = 'service="default/web:",protocol="TCP"'

/** A Service with these annotations, less the prefix. */
function service(annotations: Record<string, string>, spec: Json = {}): Json {
  const prefixed = Object.fromEntries(Object.entries(annotations).map(([name, value]) => [`portald.io/${name}`, value]))
  return aService('web', { clusterIP: '127.130.2.1', ports: [{ port: 8080 }], ...spec }, { annotations: prefixed })
}

const CHECKED = { check: 'tcp', 'check-interval': '100ms' }

/** Waits until so many endpoints are in each state. */
function isKnown(world: World, states: Record<string, number>): Promise<void> {
  return eventually(() => {
    const counts: Record<string, number> = {}
    for (const { state } of world.proxy.health().endpoints) counts[state] = (counts[state] ?? 0) + 1
    expect(counts).toEqual(states)
  })
}

describeOnEngines('the health of endpoints', '127.130.2', (open) => {
  it('is followed: one that dies among clients costs none of them anything, is left out, and serves again when it is back', async () => {
    await using world = await open({ inputs: { metricsBindAddress: METRICS } })
    const [a, b] = (await world.endpoints('a', 'b')) as [TcpEndpoint, TcpEndpoint]
    await world.apply(service(CHECKED), slicesOf('web', [a, b]))
    expect(new Set(await world.askTimes(6, WEB))).toEqual(new Set(['a', 'b']))
    await eventually(() => expect(world.proxy.health().totals[0]?.checks.good).toBeGreaterThan(3))
    await a[Symbol.asyncDispose]()
    const meanwhile: string[] = []
    while (world.proxy.health().endpoints.every(({ state }) => state === 'up')) meanwhile.push(await world.ask(WEB))
    expect(meanwhile.filter((name) => name !== 'b')).toEqual([])
    const before = 6 + meanwhile.length
    await world.ended(before)
    expect(new Set(await world.askTimes(6, WEB))).toEqual(new Set(['b']))
    // Nobody is sent to it, not even to be refused.
    expect((await world.ended(before + 6)).slice(before).every(({ attempts }) => attempts === 1)).toBe(true)
    expect(await world.metric(METRICS, `portald_endpoints{${LABELS},state="down"}`)).toBe(1)
    expect(await world.metric(METRICS, `portald_endpoint_changes_total{${LABELS},state="down"}`)).toBe(1)
    expect(await world.metric(METRICS, `portald_checks_total{${LABELS},result="bad"}`)).toBeGreaterThan(2)
    await world.keep(TcpEndpoint.open(a.address.ip, 'say a, echo', a.address.port))
    await isKnown(world, { up: 2 })
    expect(new Set(await world.askTimes(6, WEB))).toEqual(new Set(['a', 'b']))
    expect(world.log.lines.filter(({ event }) => event.startsWith('endpoint.')).map(({ event }) => event)).toEqual([
      'endpoint.down',
      'endpoint.up',
    ])
  })

  it('is learnt from sessions: who refuses them is out for a while, which is longer the second time', async () => {
    await using world = await open()
    const [a] = await world.endpoints('a')
    await world.apply(
      service({ 'eject-after': '3', 'eject-time': '500ms' }),
      slicesOf('web', [await world.refusing(), a as TcpEndpoint]),
    )
    const ejections = () => world.log.of('endpoint.ejected').length
    while (ejections() === 0) expect(await world.ask(WEB)).toBe('a')
    await isKnown(world, { up: 1, ejected: 1 })
    const [first] = world.proxy.health().endpoints.filter(({ state }) => state === 'ejected')
    await isKnown(world, { up: 2 })
    while (ejections() === 1) expect(await world.ask(WEB)).toBe('a')
    const [second] = world.proxy.health().endpoints.filter(({ state }) => state === 'ejected')
    const lengthOf = (one: typeof first) => (one?.ejectedUntilMs as number) - (one?.sinceMs as number)
    expect(lengthOf(second)).toBeGreaterThan(lengthOf(first) * 1.5)
    expect(second?.lastFailure?.reason).toMatch(/^\d+ failures in a row$/)
    await isKnown(world, { up: 2 })
  })

  it('is learnt from resets before a word, too', async () => {
    await using world = await open()
    const [resetting, a] = [await world.tcpEndpoint('read 2, reset'), await world.tcpEndpoint('read 2, say a, shut')]
    await world.apply(service({ 'eject-after': '3' }), slicesOf('web', [resetting, a]))
    while (world.log.of('endpoint.ejected').length === 0) {
      const client = await world.connect(WEB)
      client.send('hi')
      await client.ends()
    }
    expect(world.proxy.health().endpoints.filter(({ state }) => state === 'ejected')).toEqual([
      expect.objectContaining({ endpoint: `${resetting.address.ip}:${resetting.address.port}/TCP` }),
    ])
    for (let n = 0; n < 6; n++) {
      const client = await world.connect(WEB)
      client.send('hi')
      await client.receives('a')
      client.halfClose()
      await client.closes()
    }
  })

  it('is not worse for failures with a success between them', async () => {
    await using world = await open()
    const [a, b] = (await world.endpoints('a', 'b')) as [TcpEndpoint, TcpEndpoint]
    await world.apply(service({ 'eject-after': '6' }), slicesOf('web', [a, b]))
    let one: TcpEndpoint = a
    for (let n = 0; n < 3; n++) {
      await one[Symbol.asyncDispose]()
      // At most four failures in a row, and more than six in all.
      await world.askTimes(4, WEB)
      one = await world.keep(TcpEndpoint.open(a.address.ip, 'say a, echo', a.address.port))
      expect(await world.askTimes(2, WEB)).toContain('a')
    }
    await pass(250)
    expect(world.log.of('endpoint.ejected')).toEqual([])
  })

  it('is that of UDP endpoints, too', async () => {
    await using world = await open()
    const [a, b] = (await world.udpEndpoints('a', 'b')) as [UdpEndpoint, UdpEndpoint]
    const dns = service(
      { check: 'udp', 'check-send': 'ping', 'check-interval': '100ms' },
      { ports: [{ port: 53, protocol: 'UDP' }] },
    )
    await world.apply(dns, slicesOf('web', [a, b], { protocol: 'UDP' }))
    await a[Symbol.asyncDispose]()
    await isKnown(world, { up: 1, down: 1 })
    const asking = async () => {
      const client = await world.udpClient('127.130.2.1:53')
      return String(await client.ask('x'))
    }
    expect([await asking(), await asking(), await asking()]).toEqual(['b', 'b', 'b'])
    await world.keep(UdpEndpoint.open(a.address.ip, () => Buffer.from('a'), a.address.port))
    await isKnown(world, { up: 2 })
    expect(new Set([await asking(), await asking()])).toEqual(new Set(['a', 'b']))
  })

  it('is asked for once, however many threads there are', async () => {
    await using world = await open()
    const [a] = (await world.endpoints('a')) as [TcpEndpoint]
    await world.apply(service(CHECKED), slicesOf('web', [a]))
    await eventually(() => expect(world.proxy.health().totals[0]?.checks.good).toBeGreaterThan(5))
    const answers = world.proxy.health().totals[0]?.checks.good as number
    // One more may be on its way.
    expect(Math.abs(a.sessions.length - answers)).toBeLessThanOrEqual(1)
  })

  it('is found out by a program that gets none of our sockets', async () => {
    using folder = makeTemporaryFolder()
    const [out, script] = [join(folder.path, 'out'), join(folder.path, 'script')]
    writeFileSync(script, `#!/bin/sh\nls -l /proc/$$/fd > ${out}.new && mv ${out}.new ${out}\n`, { mode: 0o700 })
    await using world = await open({ inputs: { checkProgram: [`look=${script}`] } })
    const [a] = (await world.endpoints('a')) as [TcpEndpoint]
    await world.apply(service({ check: 'exec:look' }), slicesOf('web', [a]))
    const client = await world.greeted(WEB)
    await eventually(() => expect(world.proxy.health().totals[0]?.checks.good).toBeGreaterThan(1))
    expect(readFileSync(out, 'utf8')).toMatch(/ 0 -> \/dev\/null/)
    expect(readFileSync(out, 'utf8')).not.toMatch(/socket:|eventpoll|eventfd/)
    client.halfClose()
    await client.closes()
  })

  it('is kept over changes of objects', async () => {
    await using world = await open()
    const [refusing, [a]] = [await world.refusing(), await world.endpoints('a')]
    const slices = slicesOf('web', [refusing, a as TcpEndpoint])
    await world.apply(service(CHECKED), slices)
    await isKnown(world, { up: 1, down: 1 })
    await world.apply(service({ ...CHECKED, 'idle-timeout': '5m' }), slices, slicesOf('web', await world.endpoints('c')))
    expect(world.proxy.health().endpoints.filter(({ state }) => state === 'down')).toHaveLength(1)
    expect(new Set(await world.askTimes(6, WEB))).toEqual(new Set(['a', 'c']))
    expect(world.log.of('endpoint.down')).toHaveLength(1)
  })
})
