import { expect, it } from 'vitest'
import { sayName } from '../support/echo.ts'
import { aService, type Json } from '../support/objects.ts'
import { describeOnEngines, slicesOf } from '../support/world.ts'

const service = (loadBalancerSourceRanges: readonly string[], spec: Json = {}) =>
  aService(
    'web',
    {
      type: 'LoadBalancer',
      clusterIP: '127.70.20.1',
      externalIPs: ['127.70.20.2'],
      ports: [{ port: 8080, nodePort: 30_080 }],
      loadBalancerSourceRanges,
      ...spec,
    },
    {},
    { status: { loadBalancer: { ingress: [{ ip: '127.70.20.3' }] } } },
  )

const LOAD_BALANCER = '127.70.20.3:8080'
const OTHERS = ['127.70.20.1:8080', '127.70.20.2:8080', '127.70.20.250:30080']
const [FRIEND, STRANGER] = ['127.70.20.211', '127.70.20.212']

describeOnEngines('a source range', '127.70.20', (open) => {
  it('guards load balancer addresses and no others, and changes live', async () => {
    await using world = await open()
    const slices = slicesOf('web', await world.endpoints('a'))
    await world.apply(service([`${FRIEND}/32`, '2001:db8::/32']), slices)
    expect(await world.ask(LOAD_BALANCER, FRIEND)).toBe('a')
    expect(await world.turnedAway(LOAD_BALANCER, STRANGER)).toBe('reset')
    for (const address of OTHERS) expect(await world.ask(address, STRANGER)).toBe('a')
    expect((await world.ended(5)).filter(({ end }) => end === 'denied')).toEqual([
      expect.objectContaining({ attempts: 0, endpoint: undefined, service: 'default/web:/TCP', local: LOAD_BALANCER }),
    ])
    const held = await world.greeted(LOAD_BALANCER, FRIEND)
    await world.apply(service([`${STRANGER}/32`]), slices)
    expect(await world.ask(LOAD_BALANCER, STRANGER)).toBe('a')
    await held.send(' still')
    await held.receives('still')
    await world.apply(service([]), slices)
    expect(await world.ask(LOAD_BALANCER, FRIEND)).toBe('a')
    // Ranges of the other family say nothing about this one.
    await world.apply(service(['2001:db8::/32']), slices)
    expect(await world.ask(LOAD_BALANCER, STRANGER)).toBe('a')
  })

  it('that permits this node permits it when it comes from the very address it goes to', async () => {
    await using world = await open()
    const slices = slicesOf('web', await world.endpoints('a'))
    await world.apply(service([`${FRIEND}/32`]), slices)
    expect(await world.turnedAway(LOAD_BALANCER, '127.70.20.3')).toBe('reset')
    await world.apply(service([`${FRIEND}/32`, '127.70.20.250/32']), slices)
    expect(await world.ask(LOAD_BALANCER, '127.70.20.3')).toBe('a')
    expect(await world.turnedAway(LOAD_BALANCER, STRANGER)).toBe('reset')
  })

  it('has datagrams from outside of it answered by nobody, and counts the sessions', async () => {
    await using world = await open()
    const slices = slicesOf('web', [await world.udpEndpoint(sayName('a'))], { protocol: 'UDP' })
    const ports = [{ port: 8080, protocol: 'UDP', nodePort: 30_080 }]
    await world.apply(service([`${FRIEND}/32`], { ports }), slices)
    const stranger = await world.udpClient(LOAD_BALANCER, STRANGER)
    stranger.send('let me in')
    await world.ended(1)
    // Later than any answer to the stranger would have come.
    expect(`${await (await world.udpClient(LOAD_BALANCER, FRIEND)).ask('x')}`).toBe('a')
    expect({ replies: stranger.replies, errors: stranger.errors }).toEqual({ replies: [], errors: [] })
    expect(world.records).toEqual([expect.objectContaining({ end: 'denied', service: 'default/web:/UDP', attempts: 0 })])
  })

  it('that is strict guards every address for clients from outside, and closes the family it does not name', async () => {
    await using world = await open({ inputs: { strictSourceRanges: true } })
    const slices = slicesOf('web', await world.endpoints('a'))
    await world.apply(service([`${FRIEND}/32`]), slices)
    const [clusterIp, ...external] = OTHERS as [string, string, string]
    for (const address of [LOAD_BALANCER, ...external]) {
      expect(await world.ask(address, FRIEND)).toBe('a')
      expect(await world.turnedAway(address, STRANGER)).toBe('reset')
    }
    expect(await world.ask(clusterIp, STRANGER)).toBe('a')
    const held = await world.greeted(LOAD_BALANCER, FRIEND)
    await world.apply(service(['2001:db8::/32']), slices)
    for (const address of [LOAD_BALANCER, ...external]) expect(await world.knock(address)).toBe('refused')
    expect(await world.ask(clusterIp, STRANGER)).toBe('a')
    await held.send(' still')
    await held.receives('still')
  })
})
