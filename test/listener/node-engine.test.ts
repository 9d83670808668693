import { describe, expect, it } from 'vitest'
import { systemRandom } from '../../src/lib/random.ts'
import { openNodeEngine } from '../../src/listener/node/engine.ts'
import { RouteSessionPolicy } from '../../src/listener/session-policy.ts'
import { silent } from '../support/echo.ts'
import { EngineWorld, type OpenTestEngine, type WorldOptions } from '../support/engine-world.ts'
import { eventually } from '../support/eventually.ts'
import { engineCases } from './engine.cases.ts'

const openEngine: OpenTestEngine = ({ shared, descriptors, clock }) =>
  openNodeEngine({ policy: new RouteSessionPolicy(shared, 0, clock, systemRandom), descriptors, clock })

describe('the node engine', () => {
  const where = { workers: 1, network: '127.41.1', firstPort: 10_000 }
  engineCases(openEngine, { ...where, can: [] })

  describe('by itself', () => {
    const options: WorldOptions = { ...where, openEngine }

    it('leaves no socket behind', async () => {
      {
        await using world = await EngineWorld.open(options)
        const tcp = await world.listen({ endpoints: [await world.tcpEndpoint('echo'), await world.blackHole()] })
        const udp = await world.listen({ protocol: 'UDP', endpoints: [await world.udpEndpoint((datagram) => datagram)] })
        await (await udp.udpClient()).ask('hello')
        const clients = await Promise.all(Array.from({ length: 6 }, () => tcp.connect()))
        for (const client of clients) await client.send('hello')
        clients[0]?.reset()
        clients[1]?.close()
        clients[2]?.halfClose()
      }
      await eventually(() => expect(process.getActiveResourcesInfo().filter((name) => /^(TCP|UDP)/.test(name))).toEqual([]))
    })

    it('loses one datagram of a burst to a UDP endpoint that is not there, and sends the others elsewhere', async () => {
      await using world = await EngineWorld.open(options)
      const [dead, living] = [await world.udpEndpoint(silent), await world.udpEndpoint(silent)]
      await dead[Symbol.asyncDispose]()
      const listener = await world.listen({ protocol: 'UDP', endpoints: [dead, living] })
      const clients = [await listener.udpClient(), await listener.udpClient()]
      const burst = clients.flatMap(({ port }) => Array.from({ length: 10 }, (_, n) => `${port} ${n}`))
      for (const client of clients) for (const text of burst) if (text.startsWith(`${client.port} `)) client.send(text)
      const first = clients.map(({ port }) => `${port} 0`)
      await eventually(() => {
        const arrived = living.received.map(({ datagram }) => `${datagram}`)
        expect(arrived).toEqual(expect.arrayContaining(burst.filter((text) => !first.includes(text))))
      })
    })
  })
})
