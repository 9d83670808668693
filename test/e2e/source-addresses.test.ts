import { readFileSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { describe, expect, it } from 'vitest'
import { echoDatagram } from '../support/echo.ts'
import { eventually } from '../support/eventually.ts'
import { aService, type Json } from '../support/objects.ts'
import { enterOwnNetwork } from '../support/own-network.ts'
import { TcpPeer } from '../support/tcp-peer.ts'
import { describeOnEngines, slicesOf, type World } from '../support/world.ts'

const WEB = '127.132.6.1:8080'
const DNS = '127.132.6.1:5353'
const SOURCES = ['127.132.7.1', '127.132.7.2', '127.132.7.3']
/** Nobody has it. */
const ELSEWHERE = '198.51.100.1'
const PORTS_PER_ADDRESS = 12
/** Endpoints and others are not to have one of these by chance. */
const FIRST_PORT = 62_000
const RANGE_FILE = '/proc/sys/net/ipv4/ip_local_port_range'

const missing = enterOwnNetwork([])
if (missing === undefined) writeFileSync(RANGE_FILE, '40000 60999')

const service = (sources: readonly string[], ports: Json[]) =>
  aService(
    'web',
    { clusterIP: '127.132.6.1', ports },
    {
      annotations: {
        'portald.io/attempts': '1',
        ...(sources.length > 0 && { 'portald.io/source-addresses': sources.join(',') }),
      },
    },
  )
const web = (sources: readonly string[]) => service(sources, [{ name: 'web', port: 8080 }])
const dns = (sources: readonly string[]) => service(sources, [{ name: 'dns', port: 5353, protocol: 'UDP' }])

/** From now on this is all that a socket of this network can have of an address. */
function narrowPorts(): Disposable {
  const before = readFileSync(RANGE_FILE, 'utf8')
  writeFileSync(RANGE_FILE, `${FIRST_PORT} ${FIRST_PORT + PORTS_PER_ADDRESS - 1}`)
  return { [Symbol.dispose]: () => writeFileSync(RANGE_FILE, before) }
}

let lastPort = 20_000

/** A client with a port outside of the range, which the kernel would not let a socket without a pool use then, whatever the address. */
async function connectFrom(world: World, ip: string): Promise<TcpPeer> {
  const socket = connect({ host: '127.132.6.1', port: 8080, localAddress: ip, localPort: ++lastPort, allowHalfOpen: true })
  return await world.keepNow(new TcpPeer(socket)).receives(1)
}

/** How many of so many clients, each from an address of its own, get through to the endpoint. */
async function served(world: World, clients: number): Promise<number> {
  let count = 0
  for (let n = 0; n < clients; n++) if (await connectFrom(world, `127.132.8.${n + 1}`).catch(() => undefined)) count++
  return count
}

const name = `source addresses${missing === undefined ? '' : ` (skipped: ${missing})`}`
describe.skipIf(missing !== undefined)(name, () => {
  describeOnEngines('a Service that connects from a pool of addresses', '127.132.6', (open) => {
    it('has as many sessions to one endpoint as all of them have ports', async () => {
      await using world = await open()
      const endpoint = await world.tcpEndpoint('say a, echo')
      const slices = slicesOf('web', [endpoint], { name: 'web' })
      using _ = narrowPorts()
      await world.apply(web([]), slices)
      expect(await served(world, PORTS_PER_ADDRESS + 3)).toBe(PORTS_PER_ADDRESS)
      expect(new Set((await world.ended(3)).map(({ end }) => end))).toEqual(new Set(['over-limit']))
      await world.apply(web(SOURCES), slices)
      const all = SOURCES.length * PORTS_PER_ADDRESS
      expect(await served(world, all + 3)).toBe(all)
      expect(new Set((await world.ended(6)).map(({ end, attempts }) => `${end} ${attempts}`))).toEqual(new Set(['over-limit 1']))
    })

    it('uses them in turn, and goes on to the next where one is not this machine’s', async () => {
      await using world = await open({ inputs: { workers: 1 } })
      const endpoint = await world.tcpEndpoint('say a, echo')
      const slices = slicesOf('web', [endpoint], { name: 'web' })
      await world.apply(web([...SOURCES, '2001:db8::1']), slices)
      const seen: string[] = []
      const see = async () => {
        await world.greeted(WEB)
        seen.push((await endpoint.session(seen.length)).remoteIp)
      }
      for (let n = 0; n < 6; n++) await see()
      expect(seen).toEqual([...SOURCES, ...SOURCES])
      await world.apply(web([ELSEWHERE, SOURCES[0] as string]), slices)
      for (let n = 0; n < 3; n++) await see()
      expect(seen.slice(6)).toEqual([SOURCES[0], SOURCES[0], SOURCES[0]])
      const told = await eventually(() => {
        const lines = world.log.lines.filter(({ event }) => event === 'source-address.missing')
        expect(lines.length).toBeGreaterThan(0)
        return lines
      })
      expect(told.map(({ message }) => message).sort()).toEqual([
        expect.stringContaining(ELSEWHERE),
        expect.stringContaining('2001:db8::1'),
      ])
      // Alone it is no pool at all.
      await world.apply(web([ELSEWHERE]), slices)
      expect(await served(world, 1)).toBe(0)
      expect((await world.ended(1))[0]).toMatchObject({ end: 'over-limit', attempts: 1 })
    })

    it('has as many UDP sessions as all of them have ports', async () => {
      await using world = await open()
      const endpoint = await world.udpEndpoint(echoDatagram)
      await world.apply(dns(SOURCES), slicesOf('web', [endpoint], { name: 'dns', protocol: 'UDP' }))
      using _ = narrowPorts()
      const all = SOURCES.length * PORTS_PER_ADDRESS
      for (let n = 0; n < all; n++) {
        const client = await world.udpClient(DNS, `127.132.8.${n + 1}`)
        expect(`${await client.askAgain(`client ${n}`)}`).toBe(`client ${n}`)
      }
      const late = await world.udpClient(DNS, '127.132.8.200')
      late.send('too late')
      expect((await world.ended(1))[0]).toMatchObject({ end: 'over-limit' })
    })
  })
})
