import { expect, it } from 'vitest'
import { aService, type Json } from '../support/objects.ts'
import { EARLY_MS, pass } from '../support/pass.ts'
import { describeOnEngines, slicesOf } from '../support/world.ts'

const WEB = '127.70.19.1:8080'
const SHORT_MS = 400
const service = (annotations: Json = {}) =>
  aService('web', { clusterIP: '127.70.19.1', ports: [{ port: 8080 }] }, { annotations })

describeOnEngines('an annotation that changes', '127.70.19', (open, engine) => {
  it('idle-timeout holds for new sessions at once', async () => {
    await using world = await open()
    const slices = slicesOf('web', await world.endpoints('a'))
    await world.apply(service(), slices)
    await world.apply(service({ 'portald.io/idle-timeout': `${SHORT_MS}ms` }), slices)
    const idle = await world.greeted(WEB)
    expect(await idle.ends()).toBe('reset')
    const [record] = await world.ended(1)
    expect(record).toMatchObject({ end: 'client-idle' })
    expect(record?.durationMs).toBeGreaterThan(SHORT_MS - EARLY_MS)
    await world.apply(service(), slices)
    const patient = await world.greeted(WEB)
    await world.greeted(WEB).then((client) => client.receives('a'))
    await patient.send(' still')
    await patient.receives('still')
  })

  it('connect-timeout and attempts hold for new sessions at once', async () => {
    await using world = await open()
    const slices = slicesOf('web', [await world.blackHole()])
    const attempts: number[] = []
    for (const [timeout, count] of [
      ['100ms', '1'],
      ['100ms,200ms', '3'],
      ['50ms', undefined],
    ]) {
      const annotations = { 'portald.io/connect-timeout': timeout, ...(count ? { 'portald.io/attempts': count } : {}) }
      await world.apply(service(annotations), slices)
      expect(await world.start(WEB).ends()).toBe('reset')
      attempts.push((await world.ended(attempts.length + 1))[attempts.length]?.attempts ?? 0)
    }
    expect(attempts).toEqual([1, 3, 4])
  })

  for (const [name, act] of [
    ['idle-timeout', 'nothing'],
    ['half-close-timeout', 'half-close'],
  ] as const) {
    it(`${name} to something shorter ends sessions that run and are silent for that long`, async () => {
      await using world = await open()
      const slices = slicesOf('web', [await world.tcpEndpoint('say a, read end')])
      await world.apply(service(), slices)
      const client = await world.greeted(WEB)
      if (act === 'half-close') client.halfClose()
      await world.apply(service({ [`portald.io/${name}`]: `${SHORT_MS}ms` }), slices)
      expect(await client.ends()).toBe('reset')
      expect((await world.ended(1))[0]).toMatchObject({ end: act === 'half-close' ? 'half-close-timeout' : 'client-idle' })
    })

    it(`${name} to something longer lets sessions that run be silent for longer`, async () => {
      await using world = await open()
      const slices = slicesOf('web', [await world.tcpEndpoint('say a, read end')])
      await world.apply(service({ [`portald.io/${name}`]: `${SHORT_MS}ms` }), slices)
      const client = await world.greeted(WEB)
      if (act === 'half-close') client.halfClose()
      await world.apply(service(), slices)
      await pass(2 * SHORT_MS)
      expect(client.outcome).toBeUndefined()
      expect(world.proxy.read().sessions).toBe(1)
    })
  }

  if (engine === 'native') {
    it('tcp-user-timeout ends sessions with a side that takes nothing', async () => {
      await using world = await open()
      const slices = slicesOf('web', [await world.tcpEndpoint('say a, send 64M')])
      await world.apply(service({ 'portald.io/tcp-user-timeout': `${SHORT_MS}ms` }), slices)
      const client = await world.greeted(WEB)
      client.pause()
      expect((await world.ended(1))[0]).toMatchObject({ end: 'client-idle' })
    })
  }

  it('udp-timeout holds for sessions that run', async () => {
    await using world = await open()
    const dns = (annotations: Json) =>
      aService('dns', { clusterIP: '127.70.19.1', ports: [{ port: 5353, protocol: 'UDP' }] }, { annotations })
    const slices = slicesOf('dns', await world.udpEndpoints('u'), { protocol: 'UDP' })
    await world.apply(dns({ 'portald.io/udp-timeout': `${SHORT_MS}ms` }), slices)
    const client = await world.udpClient('127.70.19.1:5353')
    await client.ask('x')
    await client.ask('y')
    await world.apply(dns({}), slices)
    await pass(2 * SHORT_MS)
    expect(world.records).toEqual([])
    await world.apply(dns({ 'portald.io/udp-timeout': `${SHORT_MS}ms` }), slices)
    expect((await world.ended(1))[0]).toMatchObject({ end: 'client-idle', datagramsFromClient: 2 })
  })

  it('does not touch the socket nor its sessions', async () => {
    await using world = await open()
    const slices = slicesOf('web', await world.endpoints('a'))
    await world.apply(service(), slices)
    const held = await world.greeted(WEB)
    for (const [n, name] of ['idle-timeout', 'half-close-timeout', 'connect-timeout', 'udp-timeout'].entries()) {
      await world.apply(service({ [`portald.io/${name}`]: `${90 + n}s` }), slices)
      expect(await world.ask(WEB)).toBe('a')
    }
    await held.send(' still')
    await held.receives('still')
    expect(world.log.of('listener.opened')).toHaveLength(1)
    expect(world.log.of('listener.closed')).toHaveLength(0)
  })

  it('to something wrong leaves its default, and the Service served', async () => {
    await using world = await open()
    const slices = slicesOf('web', await world.endpoints('a'))
    await world.apply(service({ 'portald.io/idle-timeout': 'soon', 'portald.io/idel-timeout': '1s' }), slices)
    expect(await world.ask(WEB)).toBe('a')
    expect(
      world.proxy
        .read()
        .problems.map(({ severity }) => severity)
        .sort(),
    ).toEqual(['error', 'warning'])
  })
})
