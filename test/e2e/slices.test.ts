import { expect, it } from 'vitest'
import { sayName, TcpEndpoint } from '../support/echo.ts'
import { aService, aSlice, type Json, someEndpoints } from '../support/objects.ts'
import { describeOnEngines, type World } from '../support/world.ts'

const WEB = '127.70.36.1:8080'
const TLS = '127.70.36.1:8443'
const web = (ports: Json[] = [{ port: 8080 }]) => aService('web', { clusterIP: '127.70.36.1', ports })
const TWO_PORTS = [
  { name: 'http', port: 8080 },
  { name: 'https', port: 8443, targetPort: 'tls' },
]
const STOPPING = { ready: false, serving: true, terminating: true }

/** All endpoints of one slice have one port, so these do: `127.70.36.11` says `a`, `.12` says `b`, … */
async function openEndpoints(
  world: World,
  port: number,
  count: number,
  name = (n: number) => 'abcdefgh'[n] ?? '',
): Promise<string[]> {
  const ips = Array.from({ length: count }, (_, n) => `127.70.36.${11 + n}`)
  for (const [n, ip] of ips.entries()) await world.keep(TcpEndpoint.open(ip, `say ${name(n)}, echo`, port))
  return ips
}

const slice = (name: string, endpoints: Parameters<typeof aSlice>[1], ports: Json[] = [{ port: 9080 }]) =>
  aSlice('web', endpoints, { name: `web-${name}`, ports })

async function whoAt(world: World, address: string, times: number): Promise<string> {
  return (await world.askTimes(times, address)).sort().join('')
}

describeOnEngines('EndpointSlices', '127.70.36', (open) => {
  // Case 115.
  it('give each port of a Service the endpoints under its own name', async () => {
    await using world = await open()
    const ips = await openEndpoints(world, 9080, 3)
    await openEndpoints(world, 9443, 3, (n) => 'ABC'[n] ?? '')
    const ports = [
      { name: 'http', port: 9080 },
      { name: 'https', port: 9443 },
    ]
    await world.apply(web(TWO_PORTS), slice('1', ips, ports))
    expect([await whoAt(world, WEB, 3), await whoAt(world, TLS, 3)]).toEqual(['abc', 'ABC'])
  })

  // Cases 116, 117 and 35.
  it('of one Service add up, and what they have in common counts once', async () => {
    await using world = await open()
    const ips = await openEndpoints(world, 9080, 6)
    await world.apply(web(), slice('1', ips.slice(0, 3)), slice('2', ips.slice(3)))
    expect(await whoAt(world, WEB, 6)).toBe('abcdef')
    await world.apply(web(), slice('1', ips.slice(0, 3)), slice('2', ips.slice(0, 4)))
    expect(await whoAt(world, WEB, 8)).toBe('aabbccdd')
  })

  it('that overlap count an endpoint as what the livelier of its entries says', async () => {
    await using world = await open()
    const [a = '', b = '', c = ''] = await openEndpoints(world, 9080, 3)
    // Case 118.
    await world.apply(
      web(),
      slice('1', [
        [a, { ready: false }],
        [b, { ready: false }],
      ]),
      slice('2', [a, [b, { ready: false }]]),
    )
    expect(await whoAt(world, WEB, 2)).toBe('aa')
    // Case 119.
    await world.apply(web(), slice('1', [[a, STOPPING], b]), slice('2', [[b, STOPPING], a, [c, STOPPING]]))
    expect(await whoAt(world, WEB, 4)).toBe('aabb')
    await world.apply(web(), slice('1', [[a, STOPPING]]), slice('2', [[c, STOPPING]]))
    expect(await whoAt(world, WEB, 4)).toBe('aacc')
    // Case 120.
    await world.apply(web(), slice('1', [[a, { ready: false }]]))
    expect([await world.knock(WEB), world.states()]).toEqual(['refused', { [`TCP/${WEB}`]: 'parked' }])
  })

  // Case 121.
  it('of other Services and namespaces are theirs', async () => {
    await using world = await open()
    const [a = '', b = '', c = ''] = await openEndpoints(world, 9080, 3)
    const ofOther = aSlice('other', [b], { ports: [{ port: 9080 }] })
    const elsewhere = aSlice('prod/web', [c], { ports: [{ port: 9080 }] })
    await world.apply(web(), slice('1', [a]), ofOther, elsewhere)
    expect(await whoAt(world, WEB, 3)).toBe('aaa')
  })

  // Case 122.
  it('without a number for a port have nothing for it, and the others count', async () => {
    await using world = await open()
    const [a = '', b = ''] = await openEndpoints(world, 9080, 2)
    await world.apply(web(), slice('1', [a], [{ name: '', port: null }]), slice('2', [b]))
    expect(await whoAt(world, WEB, 2)).toBe('bb')
  })

  // Case 123; a named targetPort that is another number in another pod comes as slices like these.
  it('may have one address with several numbers, each an endpoint of its own', async () => {
    await using world = await open()
    const ips = await openEndpoints(world, 9080, 2)
    await openEndpoints(world, 9081, 2, (n) => 'AB'[n] ?? '')
    await world.apply(web(), slice('1', ips), slice('2', ips, [{ port: 9081 }]))
    expect(await whoAt(world, WEB, 4)).toBe('ABab')
  })

  // Case 124.
  it('that say what was known, or leave when they were never there, change nothing', async () => {
    await using world = await open()
    const [a = '', b = ''] = await openEndpoints(world, 9080, 2)
    await world.apply(web(), slice('1', [a, b]))
    const changes = () => world.log.of('snapshot.applied').length
    const before = changes()
    const first = await world.ask(WEB)
    await world.apply(web(), slice('1', [a, b]), slice('empty', []))
    await world.apply(web(), slice('1', [b, a]))
    expect(changes()).toBe(before)
    expect(await world.ask(WEB)).toBe(first === 'a' ? 'b' : 'a')
  })

  // Case 125.
  it('hand an endpoint on from one to another without its sessions noticing, whatever becomes of those that leave', async () => {
    await using world = await open()
    const [a = '', b = ''] = await openEndpoints(world, 9080, 2)
    const cutting = aService(
      'web',
      { clusterIP: '127.70.36.1', ports: [{ port: 8080 }] },
      { annotations: { 'portald.io/on-endpoint-removed': 'cut' } },
    )
    await world.apply(cutting, slice('1', [a]), slice('2', []))
    const held = await world.greeted(WEB)
    await world.apply(cutting, slice('1', []), slice('2', [a]))
    await world.apply(cutting, slice('2', [b]), slice('3', [a]))
    await held.send(' still')
    await held.receives('still')
    expect(world.records).toEqual([])
    await world.apply(cutting, slice('2', [b]))
    expect((await world.ended(1))[0]).toMatchObject({ end: 'endpoint-removed' })
  })

  it('go before v1 Endpoints of the same name, which count again when the slices are gone', async () => {
    await using world = await open()
    const [a = '', b = '', c = ''] = await openEndpoints(world, 9080, 3)
    const old = (notReadyAddresses: Json[] = []) =>
      someEndpoints('web', { addresses: [{ ip: b }], notReadyAddresses, ports: [{ port: 9080 }] })
    await world.apply(web(), slice('1', [a]), old())
    expect(await whoAt(world, WEB, 2)).toBe('aa')
    await world.apply(web(), old([{ ip: c }]))
    expect(await whoAt(world, WEB, 2)).toBe('bb')
    const publishing = aService('web', {
      clusterIP: '127.70.36.1',
      ports: [{ port: 8080 }],
      publishNotReadyAddresses: true,
    })
    await world.apply(publishing, old([{ ip: c }]))
    expect(await whoAt(world, WEB, 2)).toBe('bc')
  })

  it('of host names are ignored with a line, and appProtocol makes no difference', async () => {
    await using world = await open()
    const [a = ''] = await openEndpoints(world, 9080, 1)
    const named = { ...aSlice('web', ['web.example.com'], { name: 'web-fqdn' }), addressType: 'FQDN' }
    const spoken = slice('1', [a], [{ port: 9080, appProtocol: 'kubernetes.io/h2c' }])
    await world.apply(web([{ port: 8080, appProtocol: 'example.com/custom' }]), named, spoken)
    expect(await whoAt(world, WEB, 2)).toBe('aa')
    expect(world.proxy.read().problems.map(({ code, object }) => `${code} ${object}`)).toEqual([
      'address-type EndpointSlice default/web-fqdn',
    ])
  })

  // Case 56: the old mode had no use for slices; here UDP ports find theirs like TCP ports do.
  it('serve the UDP port of a Service beside its TCP port', async () => {
    await using world = await open()
    const [a = ''] = await openEndpoints(world, 9080, 1)
    const udp = await world.udpEndpoint(sayName('u'), 9080)
    const ports = [
      { name: 'tcp', port: 8080 },
      { name: 'udp', port: 8080, protocol: 'UDP' },
    ]
    const both = slice('1', [a], [{ name: 'tcp', port: 9080 }])
    const datagrams = slice('2', [udp.address.ip], [{ name: 'udp', port: 9080, protocol: 'UDP' }])
    await world.apply(web(ports), both, datagrams)
    expect(await world.ask(WEB)).toBe('a')
    expect(`${await (await world.udpClient(WEB)).ask('x')}`).toBe('u')
  })
})
