import { expect, it } from 'vitest'
import { sayName, TcpEndpoint, UdpEndpoint } from '../support/echo.ts'
import { eventually } from '../support/eventually.ts'
import { aService } from '../support/objects.ts'
import { serveFile } from '../support/served-file.ts'
import { connectTcp } from '../support/tcp-client.ts'
import { UdpClient } from '../support/udp-client.ts'
import { addressOf, describeOnEngines, slicesOf } from '../support/world.ts'

const NETWORK = '127.70.22'
const WEB = '127.70.22.1:8080'
const web = aService('web', { type: 'NodePort', clusterIP: '127.70.22.1', ports: [{ port: 8080, nodePort: 30_080 }] })
const dns = aService('dns', { clusterIP: '127.70.22.1', ports: [{ port: 5353, protocol: 'UDP' }] })

describeOnEngines('a proxy', NETWORK, (open, engine) => {
  it('that was killed in the middle of everything is up again at once, on the same addresses', async () => {
    await using a = await TcpEndpoint.open(`${NETWORK}.101`, 'say a, echo')
    await using u = await UdpEndpoint.open(`${NETWORK}.102`, sayName('u'))
    const objects = [web, dns, slicesOf('web', [a]), slicesOf('dns', [u], { protocol: 'UDP' })]
    for (let n = 0; n < 3; n++) {
      await using served = serveFile(engine, NETWORK, objects)
      await served.command.event('proxy.ready')
      expect(served.command.events('listener.failed')).toEqual([])
      for (const address of [WEB, `${NETWORK}.250:30080`]) {
        await using client = await connectTcp(addressOf(address))
        await client.receives('a')
      }
      await using client = await UdpClient.open(addressOf('127.70.22.1:5353'))
      expect(`${await client.askAgain('x')}`).toBe('u')
      await using stack = new AsyncDisposableStack()
      for (let held = 0; held < 10; held++) await stack.use(await connectTcp(addressOf(WEB))).receives('a')
      served.command.process.kill('SIGKILL')
      await served.command.exit
    }
  })

  it('that closed sessions itself leaves nothing that keeps the next one from its addresses', async () => {
    // The endpoint closes first, so the proxy does towards the client: its side of the connection waits for a minute.
    const objects = (endpoint: TcpEndpoint) => [web, slicesOf('web', [endpoint])]
    for (let n = 0; n < 3; n++) {
      await using world = await open()
      await world.apply(...objects(await world.tcpEndpoint('say a, shut')))
      expect(await world.askTimes(5, WEB)).toEqual(['a', 'a', 'a', 'a', 'a'])
      expect(world.log.of('listener.failed')).toEqual([])
      // Closed, and opened again by the same process.
      await world.apply()
      await world.apply(...objects(await world.tcpEndpoint('say b, shut')))
      expect(await world.ask(WEB)).toBe('b')
      expect(world.log.of('listener.failed')).toEqual([])
    }
  })

  it('that is started beside another one says that the addresses are taken, and takes over when it goes', async () => {
    const first = await open()
    await using second = await open()
    const [a] = await second.endpoints('a')
    const u = await second.udpEndpoint(sayName('u'))
    const objects = [web, dns, slicesOf('web', [a as TcpEndpoint]), slicesOf('dns', [u], { protocol: 'UDP' })]
    await first.apply(...objects)
    await second.apply(...objects)
    expect(new Set(Object.values(first.states()))).toEqual(new Set(['listening']))
    expect(new Set(Object.values(second.states()))).toEqual(new Set(['failed']))
    expect(await second.ask(WEB)).toBe('a')
    await first.ended(1)
    await first[Symbol.asyncDispose]()
    await eventually(() => expect(new Set(Object.values(second.states()))).toEqual(new Set(['listening'])))
    expect(await second.ask(WEB)).toBe('a')
    await second.ended(1)
  })
})
