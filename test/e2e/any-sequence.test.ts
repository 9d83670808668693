import { expect, it } from 'vitest'
import { type Random, seededRandom } from '../../src/lib/random.ts'
import type { TcpEndpoint, UdpEndpoint } from '../support/echo.ts'
import { eventually } from '../support/eventually.ts'
import { aService, type Json } from '../support/objects.ts'
import type { TcpPeer } from '../support/tcp-peer.ts'
import { describeOnEngines, slicesOf, type World } from '../support/world.ts'

const NETWORK = '127.70.24'
const SEEDS = [1, 2, 3]
const STEPS = 40
const SERVICES = 5
const NAMES = ['a', 'b', 'c', 'd'] as const

/** What a Service is meant to be. */
interface Wish {
  there: boolean
  protocol: 'TCP' | 'UDP'
  port: number
  external: boolean
  onNodes: boolean
  sticky: boolean
  /** Which endpoints it has, by position. */
  endpoints: Set<number>
}

function change(wish: Wish, random: Random): void {
  const endpoint = random.below(NAMES.length)
  switch (random.below(9)) {
    case 0:
      wish.there = !wish.there
      break
    case 1:
      wish.protocol = wish.protocol === 'TCP' ? 'UDP' : 'TCP'
      break
    case 2:
      wish.port = 8080 + random.below(3)
      break
    case 3:
      wish.external = !wish.external
      break
    case 4:
      wish.onNodes = !wish.onNodes
      break
    case 5:
      wish.sticky = !wish.sticky
      break
    case 6:
      wish.endpoints.clear()
      break
    default:
      if (!wish.endpoints.delete(endpoint)) wish.endpoints.add(endpoint)
  }
}

/** Where it is to be reached: no two Services have an address in common. */
function addressesOf(wish: Wish, n: number): string[] {
  const addresses = [`${NETWORK}.${1 + n}:${wish.port}`]
  if (wish.external) addresses.push(`${NETWORK}.${51 + n}:${wish.port}`)
  if (wish.onNodes) addresses.push(`${NETWORK}.250:${30_000 + n}`)
  return addresses
}

function objectsOf(wish: Wish, n: number, tcp: readonly TcpEndpoint[], udp: readonly UdpEndpoint[]): Json[] {
  if (!wish.there) return []
  const { onNodes, port, protocol } = wish
  const listed = [...wish.endpoints].map((at) => (protocol === 'TCP' ? tcp : udp)[at] as TcpEndpoint | UdpEndpoint)
  const service = aService(`s${n}`, {
    clusterIP: `${NETWORK}.${1 + n}`,
    type: onNodes ? 'NodePort' : 'ClusterIP',
    ports: [{ port, protocol, ...(onNodes ? { nodePort: 30_000 + n } : {}) }],
    externalIPs: wish.external ? [`${NETWORK}.${51 + n}`] : [],
    sessionAffinity: wish.sticky ? 'ClientIP' : 'None',
  })
  return [service, ...slicesOf(`s${n}`, listed, { protocol })]
}

async function answersAt(world: World, protocol: Wish['protocol'], address: string): Promise<string> {
  if (protocol === 'TCP') return await world.ask(address)
  const client = await world.udpClient(address)
  return `${await client.askAgain('x')}`
}

async function expectRefused(world: World, protocol: Wish['protocol'], address: string): Promise<void> {
  if (protocol === 'TCP') {
    expect(await world.knock(address), address).toBe('refused')
    return
  }
  const client = await world.udpClient(address)
  await eventually(() => {
    client.send('anybody?')
    expect(client.errors, address).toContain('ECONNREFUSED')
  })
}

async function expectServed(world: World, wish: Wish, n: number): Promise<void> {
  const names = [...wish.endpoints].map((at) => NAMES[at] as string)
  const heard = new Set<string>()
  for (const address of addressesOf(wish, n)) {
    if (names.length === 0) await expectRefused(world, wish.protocol, address)
    else for (let again = 0; again < 2; again++) heard.add(await answersAt(world, wish.protocol, address))
  }
  expect([...heard].filter((name) => !names.includes(name))).toEqual([])
  if (wish.sticky && names.length > 0) expect(heard.size).toBe(1)
}

describeOnEngines('any sequence of changes', NETWORK, (open) => {
  for (const seed of SEEDS) {
    it(`ends in what was last asked for, and keeps every session (seed ${seed})`, { timeout: 60_000 }, async () => {
      await using world = await open()
      const random = seededRandom(seed)
      const tcp = await world.endpoints(...NAMES)
      const udp = await world.udpEndpoints(...NAMES)
      const wishes = Array.from({ length: SERVICES }, (): Wish => {
        return {
          there: true,
          protocol: 'TCP',
          port: 8080,
          external: false,
          onNodes: false,
          sticky: false,
          endpoints: new Set([0]),
        }
      })
      const objects = () => wishes.flatMap((wish, n) => objectsOf(wish, n, tcp, udp))
      const held: TcpPeer[] = []
      for (let step = 0; step < STEPS; step++) {
        for (let hasty = random.below(3); hasty > 0; hasty--) {
          change(wishes[random.below(SERVICES)] as Wish, random)
          world.set(objects())
        }
        change(wishes[random.below(SERVICES)] as Wish, random)
        await world.apply(objects())
        const there = wishes.flatMap((wish, n) =>
          wish.there ? addressesOf(wish, n).map((address) => `${wish.protocol}/${address}`) : [],
        )
        await eventually(() => expect(Object.keys(world.states()).sort()).toEqual(there.sort()))
        const n = random.below(SERVICES)
        const wish = wishes[n] as Wish
        if (wish.there) await expectServed(world, wish, n)
        else for (const address of addressesOf(wish, n)) await expectRefused(world, wish.protocol, address)
        if (wish.there && wish.protocol === 'TCP' && wish.endpoints.size > 0) {
          held.push(await world.greeted(addressesOf(wish, n)[0] as string))
        }
      }
      for (const [n, wish] of wishes.entries()) if (wish.there) await expectServed(world, wish, n)
      expect(held.length).toBeGreaterThan(0)
      for (const client of held) {
        await client.send(' still')
        await client.receives('still')
      }
    })
  }
})
