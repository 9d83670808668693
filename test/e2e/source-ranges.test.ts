import { expect, it } from 'vitest'
import { aService } from '../support/objects.ts'
import { describeOnEngines, slicesOf } from '../support/world.ts'

const service = (loadBalancerSourceRanges: readonly string[]) =>
  aService(
    'web',
    {
      type: 'LoadBalancer',
      clusterIP: '127.70.20.1',
      externalIPs: ['127.70.20.2'],
      ports: [{ port: 8080, nodePort: 30_080 }],
      loadBalancerSourceRanges,
    },
    {},
    { status: { loadBalancer: { ingress: [{ ip: '127.70.20.3' }] } } },
  )

const LOAD_BALANCER = '127.70.20.3:8080'
const [FRIEND, STRANGER] = ['127.70.20.211', '127.70.20.212']

describeOnEngines('a source range', '127.70.20', (open) => {
  it('guards load balancer addresses and no others, and changes live', async () => {
    await using world = await open()
    const slices = slicesOf('web', await world.endpoints('a'))
    await world.apply(service([`${FRIEND}/32`, '2001:db8::/32']), slices)
    expect(await world.ask(LOAD_BALANCER, FRIEND)).toBe('a')
    expect(
      await world.connect(LOAD_BALANCER, STRANGER).then(
        (client) => client.ends(),
        () => 'reset',
      ),
    ).toBe('reset')
    for (const address of ['127.70.20.1:8080', '127.70.20.2:8080', '127.70.20.250:30080']) {
      expect(await world.ask(address, STRANGER)).toBe('a')
    }
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
})
