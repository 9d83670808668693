import { expect, it } from 'vitest'
import type { TcpEndpoint } from '../support/echo.ts'
import { aService } from '../support/objects.ts'
import { patternSha256 } from '../support/tally.ts'
import type { TcpPeer } from '../support/tcp-peer.ts'
import { underLoad } from '../support/under-load.ts'
import { describeOnEngines, slicesOf } from '../support/world.ts'

const WEB = '127.70.3.1:8080'
const MIB = 2 ** 20
const BYTES = 96 * MIB

const service = (spec: object = {}) => aService('web', { clusterIP: '127.70.3.1', ports: [{ port: 8080 }], ...spec })
const onNode = (nodePort: number) => service({ type: 'NodePort', ports: [{ port: 8080, nodePort }] })

async function expectAlive(clients: readonly TcpPeer[], word: string): Promise<void> {
  await Promise.all(clients.map((client) => client.send(` ${word}`)))
  await Promise.all(clients.map((client) => client.receives(word)))
}

describeOnEngines('a reload', '127.70.3', (open) => {
  // Case 88.
  it('lets a transfer finish whose nodePort, endpoint and Service change under it', async () => {
    await using world = await open()
    const [sending, [other]] = [await world.tcpEndpoint('read 4, send 96M, shut'), await world.endpoints('b')]
    await world.apply(onNode(30_080), slicesOf('web', [sending]))
    const client = await world.connect('127.70.3.250:30080')
    await client.send('more')
    await client.receives(MIB)
    client.pause()
    await world.apply(onNode(30_081), slicesOf('web', [sending]))
    expect(await world.knock('127.70.3.250:30080')).toBe('refused')
    expect(await world.knock('127.70.3.250:30081')).toBe('accepted')
    await world.apply(onNode(30_081), slicesOf('web', [other as TcpEndpoint]))
    await world.apply()
    await world.apply(onNode(30_080), slicesOf('web', [other as TcpEndpoint]))
    expect(client.received.bytes).toBeLessThan(BYTES)
    expect(await client.resume().ends()).toBe('end')
    expect([client.received.bytes, client.received.sha256]).toEqual([BYTES, patternSha256(BYTES)])
    client.halfClose()
    expect(await world.ask('127.70.3.250:30080')).toBe('b')
    const records = await world.ended(2)
    expect(records.find(({ bytesFromEndpoint }) => bytesFromEndpoint === BYTES)).toMatchObject({
      end: 'endpoint-closed',
      service: 'default/web:/TCP',
      endpoint: `${sending.address.ip}:${sending.address.port}/TCP`,
      local: '127.70.3.250:30080',
    })
  })

  it('leaves twenty sessions alone while endpoints, ports and other Services come and go', async () => {
    await using world = await open()
    const [a, b, c] = (await world.endpoints('a', 'b', 'c')) as [TcpEndpoint, TcpEndpoint, TcpEndpoint]
    await world.apply(service(), slicesOf('web', [a, b]))
    const held = await Promise.all(Array.from({ length: 20 }, () => world.greeted(WEB)))
    expect(held.map(({ text }) => text).sort()).toEqual([...Array(10).fill('a'), ...Array(10).fill('b')])
    await expectAlive(held, 'one')
    await world.apply(service(), slicesOf('web', [b, c]))
    await expectAlive(held, 'two')
    await world.apply(service({ ports: [{ port: 8081 }] }), slicesOf('web', [c]))
    expect(await world.knock(WEB)).toBe('refused')
    await expectAlive(held, 'three')
    const other = aService('other', { clusterIP: '127.70.3.2', ports: [{ port: 8080 }] })
    await world.apply(service({ sessionAffinity: 'ClientIP' }), other, slicesOf('web', [c]), slicesOf('other', [a]))
    await expectAlive(held, 'four')
    await world.apply(other, slicesOf('other', [a]))
    await expectAlive(held, 'five')
    await world.apply(service(), slicesOf('web', [a, b]))
    await expectAlive(held, 'six')
    expect(world.proxy.read().sessions).toBe(20)
    expect(await world.askTimes(2, WEB).then((names) => names.sort())).toEqual(['a', 'b'])
  })

  it('refuses and resets nobody while the endpoints are replaced again and again', async () => {
    await using world = await open()
    const endpoints = (await world.endpoints('a', 'b', 'c', 'd')) as TcpEndpoint[]
    const pair = (n: number) =>
      slicesOf(
        'web',
        [0, 1].map((next) => endpoints[(n + next) % 4] as TcpEndpoint),
      )
    await world.apply(service(), pair(0))
    const asking = async () => expect('abcd').toContain(await world.ask(WEB))
    const rounds = await underLoad(4, asking, async () => {
      for (let n = 1; n <= 100; n++) await world.apply(service(), pair(n))
    })
    expect(rounds).toBeGreaterThan(50)
  })

  it('rolls through endpoints, each gone for good soon after it left, and no client notices', async () => {
    await using world = await open()
    let current = await world.tcpEndpoint('say 0, echo')
    await world.apply(service(), slicesOf('web', [current]))
    const asking = async () => expect(await world.ask(WEB)).toMatch(/^\d+$/)
    await underLoad(3, asking, async ({ turnsOver }) => {
      for (let n = 1; n <= 20; n++) {
        const next = await world.tcpEndpoint(`say ${n}, echo`)
        await world.apply(service(), slicesOf('web', [current, next]))
        await world.apply(service(), slicesOf('web', [next]))
        // Sessions it still had may finish; it gets no new one.
        await turnsOver()
        await current[Symbol.asyncDispose]()
        current = next
      }
    })
    expect(await world.ask(WEB)).toBe('20')
  })

  it('ends in the last state, however fast changes come', async () => {
    await using world = await open()
    const endpoints = (await world.endpoints('a', 'b')) as [TcpEndpoint, TcpEndpoint]
    for (let n = 0; n < 2_000; n++) {
      const port = 8080 + (n % 7)
      world.set(service({ ports: [{ port }] }), n % 3 === 0 ? [] : slicesOf('web', [endpoints[n % 2] as TcpEndpoint]))
    }
    await world.apply(service({ ports: [{ port: 8090 }] }), slicesOf('web', [endpoints[1]]))
    expect(await world.ask('127.70.3.1:8090')).toBe('b')
    expect(world.states()).toEqual({ 'TCP/127.70.3.1:8090': 'listening' })
    for (let n = 0; n < 7; n++) expect(await world.knock(`127.70.3.1:${8080 + n}`)).toBe('refused')
  })
})
