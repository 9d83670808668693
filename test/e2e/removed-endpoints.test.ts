import { expect, it } from 'vitest'
import { TcpEndpoint } from '../support/echo.ts'
import { aService, type Json } from '../support/objects.ts'
import { EARLY_MS } from '../support/pass.ts'
import { describeOnEngines, slicesOf } from '../support/world.ts'

const WEB = '127.70.13.1:8080'
const SHORT_MS = 600
const CHECK_PORT = 9_909

function service(policy?: string): Json {
  const annotations = policy === undefined ? {} : { 'portald.io/on-endpoint-removed': policy }
  return aService('web', { clusterIP: '127.70.13.1', ports: [{ port: 8080 }] }, { annotations })
}

describeOnEngines('a session whose endpoint leaves', '127.70.13', (open) => {
  // Case 89.
  for (const gone of ['the endpoint', 'the Service', 'everything'] as const) {
    const rest = (policy: string | undefined, slices: Json[]) =>
      gone === 'the endpoint' ? [service(policy)] : gone === 'the Service' ? slices : []

    it(`is kept by default when ${gone} goes`, async () => {
      await using world = await open()
      const slices = slicesOf('web', await world.endpoints('a'))
      await world.apply(service(), slices)
      const held = await world.greeted(WEB)
      await world.apply(rest(undefined, slices))
      expect(await world.knock(WEB)).toBe('refused')
      await held.send(' still')
      await held.receives('still')
    })

    it(`is cut at once where the Service says so when ${gone} goes`, async () => {
      await using world = await open()
      const slices = slicesOf('web', await world.endpoints('a'))
      await world.apply(service('cut'), slices)
      const held = await world.greeted(WEB)
      await world.apply(rest('cut', slices))
      expect(await held.ends()).toBe('reset')
      const end = gone === 'the endpoint' ? 'endpoint-removed' : 'service-removed'
      expect((await world.ended(1))[0]).toMatchObject({ end, bytesFromEndpoint: 1 })
    })

    it(`is cut after a while where the Service says so when ${gone} goes`, async () => {
      await using world = await open()
      const slices = slicesOf('web', await world.endpoints('a'))
      await world.apply(service(`drain=${SHORT_MS}ms`), slices)
      const held = await world.greeted(WEB)
      const removedMs = performance.now()
      await world.apply(rest(`drain=${SHORT_MS}ms`, slices))
      await held.send(' still')
      await held.receives('still')
      expect(await held.ends()).toBe('reset')
      expect(performance.now() - removedMs).toBeGreaterThan(SHORT_MS - EARLY_MS)
      expect((await world.ended(1))[0]).toMatchObject({ end: 'drain-timeout' })
    })
  }

  it('is the only one that is cut', async () => {
    await using world = await open()
    const [a, b] = (await world.endpoints('a', 'b')) as [TcpEndpoint, TcpEndpoint]
    await world.apply(service('cut'), slicesOf('web', [a, b]))
    const held = await Promise.all(Array.from({ length: 10 }, () => world.greeted(WEB)))
    await world.apply(service('cut'), slicesOf('web', [b]))
    for (const client of held) {
      if (client.text === 'a') expect(await client.ends()).toBe('reset')
      else {
        await client.send(' still')
        await client.receives('still')
      }
    }
    expect(world.proxy.read().sessions).toBe(5)
  })

  it('is kept where the endpoint is back before the time is over', async () => {
    await using world = await open()
    const [a, b] = (await world.endpoints('a', 'b')) as [TcpEndpoint, TcpEndpoint]
    const policy = `drain=${SHORT_MS}ms`
    await world.apply(service(policy), slicesOf('web', [a]))
    const held = await world.greeted(WEB)
    await world.apply(service(policy), slicesOf('web', [b]))
    const other = await world.greeted(WEB)
    await world.apply(service(policy), slicesOf('web', [a]))
    // The second one's time is over after the first one's would have been.
    expect(await other.ends()).toBe('reset')
    await held.send(' still')
    await held.receives('still')
    expect((await world.ended(1)).map(({ end }) => end)).toEqual(['drain-timeout'])
  })

  it('goes by what the Service says when it leaves, not by what it said before', async () => {
    await using world = await open()
    const slices = slicesOf('web', await world.endpoints('a'))
    await world.apply(service(), slices)
    const kept = await world.greeted(WEB)
    await world.apply(service('cut'), slices)
    await kept.send(' still')
    await kept.receives('still')
    await world.apply(service('cut'))
    expect(await kept.ends()).toBe('reset')
  })

  const unready = (slice: Json): Json => ({
    ...slice,
    endpoints: (slice['endpoints'] as object[]).map((endpoint) => ({ ...endpoint, conditions: { ready: false } })),
  })

  it('is kept when the endpoint only becomes not ready', async () => {
    await using world = await open()
    const slices = slicesOf('web', await world.endpoints('a', 'b'))
    const [first, second] = slices as [Json, Json]
    await world.apply(service('cut'), slices)
    const held = await Promise.all(Array.from({ length: 4 }, () => world.greeted(WEB)))
    await world.apply(service('cut'), unready(first), second)
    expect(new Set(await world.askTimes(3, WEB)).size).toBe(1)
    for (const client of held) {
      await client.send(' still')
      await client.receives('still')
    }
  })

  it('is cut when the endpoint becomes not ready where the Service says so, at once or after a while', async () => {
    for (const [policy, end] of [
      ['cut', 'endpoint-unready'],
      [`drain=${SHORT_MS}ms`, 'drain-timeout'],
    ] as const) {
      await using world = await open()
      const slices = slicesOf('web', await world.endpoints('a', 'b'))
      const [first, second] = slices as [Json, Json]
      const web = aService(
        'web',
        { clusterIP: '127.70.13.1', ports: [{ port: 8080 }] },
        {
          annotations: { 'portald.io/on-endpoint-unready': policy },
        },
      )
      await world.apply(web, slices)
      const held = await Promise.all(Array.from({ length: 4 }, () => world.greeted(WEB)))
      await world.apply(web, unready(first), second)
      const stays = await world.ask(WEB)
      for (const client of held) {
        if (client.text !== stays) expect(await client.ends()).toBe('reset')
        else {
          await client.send(' still')
          await client.receives('still')
        }
      }
      // The one that asked ended by itself.
      const ends = (await world.ended(3)).map((record) => record.end)
      expect(ends.filter((one) => one === end)).toHaveLength(2)
    }
  })

  it('is cut when its endpoint is found down where the Service says so', async () => {
    await using world = await open()
    const [a, b] = (await world.endpoints('a', 'b')) as [TcpEndpoint, TcpEndpoint]
    const [checkOfA] = await Promise.all(
      [a, b].map(({ address }) => world.keep(TcpEndpoint.open(address.ip, 'shut', CHECK_PORT))),
    )
    const annotations = {
      'portald.io/check': 'tcp',
      'portald.io/check-port': `${CHECK_PORT}`,
      'portald.io/check-interval': '100ms',
      'portald.io/on-endpoint-down': 'cut',
    }
    const web = aService('web', { clusterIP: '127.70.13.1', ports: [{ port: 8080 }] }, { annotations })
    await world.apply(web, slicesOf('web', [a, b]))
    const held = await Promise.all(Array.from({ length: 4 }, () => world.greeted(WEB)))
    await checkOfA?.[Symbol.asyncDispose]()
    for (const client of held) {
      if (client.text === 'a') expect(await client.ends()).toBe('reset')
      else {
        await client.send(' still')
        await client.receives('still')
      }
    }
    expect((await world.ended(2)).map(({ end }) => end)).toEqual(['endpoint-down', 'endpoint-down'])
  })
})
