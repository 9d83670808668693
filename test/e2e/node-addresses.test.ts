import { expect, it } from 'vitest'
import { aService, type Json } from '../support/objects.ts'
import { describeOnEngines, slicesOf, type World } from '../support/world.ts'

const web = (spec: Json) => aService('web', { clusterIP: '127.70.18.1', ports: [{ port: 8080 }], ...spec })
const onNode = (nodePort?: number) => web({ type: 'NodePort', ports: [{ port: 8080, ...(nodePort ? { nodePort } : {}) }] })

/** The addresses of a kind, as `127.70.18.1:8080`. */
function addressesOf(world: World, kind: string): string[] {
  return world.proxy.addresses().flatMap((address) => (address.kind === kind ? [address.key.replace(/^TCP./, '')] : []))
}

describeOnEngines('a nodePort', '127.70.18', (open) => {
  it('answers on every address of --node-ip and on no other', async () => {
    await using world = await open({ inputs: { nodeIp: ['127.70.18.21', '127.70.18.22'] } })
    await world.apply(onNode(30_080), slicesOf('web', await world.endpoints('a')))
    expect(addressesOf(world, 'nodePort')).toEqual(['127.70.18.21:30080', '127.70.18.22:30080'])
    expect(await world.ask('127.70.18.21:30080')).toBe('a')
    expect(await world.ask('127.70.18.22:30080')).toBe('a')
    expect(await world.knock('127.70.18.23:30080')).toBe('refused')
    expect(await world.knock('127.70.18.1:30080')).toBe('refused')
  })

  it('answers only inside --nodeport-addresses', async () => {
    const inputs = { nodeIp: ['127.70.18.21', '127.70.18.22'], nodeportAddresses: ['127.70.18.22/32'] }
    await using world = await open({ inputs })
    await world.apply(onNode(30_080), slicesOf('web', await world.endpoints('a')))
    expect(addressesOf(world, 'nodePort')).toEqual(['127.70.18.22:30080'])
  })

  it('answers on the first address of --node-ip alone, where only the primary one shall', async () => {
    const inputs = { nodeIp: ['127.70.18.21', '127.70.18.22'], nodeportAddresses: ['primary'] }
    await using world = await open({ inputs })
    await world.apply(onNode(30_080), slicesOf('web', await world.endpoints('a')))
    expect(addressesOf(world, 'nodePort')).toEqual(['127.70.18.21:30080'])
    expect(await world.ask('127.70.18.21:30080')).toBe('a')
    expect(await world.knock('127.70.18.22:30080')).toBe('refused')
  })

  it('goes over to the address that the Node object says is its own, where only the primary one shall', async () => {
    await using world = await open({ inputs: { nodeIp: [], nodeportAddresses: ['primary'] } })
    const slices = slicesOf('web', await world.endpoints('a'))
    const node = (address: string) => ({
      apiVersion: 'v1',
      kind: 'Node',
      metadata: { name: 'node-1' },
      status: { addresses: [{ type: 'InternalIP', address }] },
    })
    await world.apply(onNode(30_080), slices, node('127.70.18.31'))
    expect(addressesOf(world, 'nodePort')).toEqual(['127.70.18.31:30080'])
    const held = await world.greeted('127.70.18.31:30080')
    await world.apply(onNode(30_080), slices, node('127.70.18.32'))
    expect(addressesOf(world, 'nodePort')).toEqual(['127.70.18.32:30080'])
    expect(await world.ask('127.70.18.32:30080')).toBe('a')
    expect(await world.knock('127.70.18.31:30080')).toBe('refused')
    await held.send(' still')
    await held.receives('still')
  })

  it('answers on the addresses of this machine, loopback included, without --node-ip', async () => {
    await using world = await open({ inputs: { nodeIp: [] } })
    await world.apply(onNode(30_780), slicesOf('web', await world.endpoints('a')))
    expect(addressesOf(world, 'nodePort')).toContain('127.0.0.1:30780')
    expect(await world.ask('127.0.0.1:30780')).toBe('a')
    expect(await world.knock('127.70.18.9:30780')).toBe('refused')
  })

  it('that has no number gets one, the same after a restart and when others come', async () => {
    const assigned: string[][] = []
    for (const others of [[], [aService('other', { type: 'NodePort', clusterIP: '127.70.18.2', ports: [{ port: 8080 }] })]]) {
      await using world = await open()
      await world.apply(others, onNode(), slicesOf('web', await world.endpoints('a')))
      const mine = world.proxy.addresses().filter(({ kind, service }) => kind === 'nodePort' && service === 'default/web')
      assigned.push(mine.map(({ key }) => key))
      expect(await world.ask(mine[0]?.key.replace('TCP/', '') ?? '')).toBe('a')
    }
    expect(assigned[0]).toHaveLength(1)
    expect(assigned[1]).toEqual(assigned[0])
  })
})

describeOnEngines('a clusterIP from --service-cluster-ip-range', '127.70.18', (open) => {
  const inputs = { serviceClusterIpRange: '127.70.18.128/26' }
  const nameless = (name: string) => aService(name, { clusterIP: undefined, ports: [{ port: 8080 }] })

  it('is in the range, said, and the same after a restart and when others come', async () => {
    const seen: string[][] = []
    for (const others of [[], [nameless('other'), nameless('another')], []]) {
      await using world = await open({ inputs })
      await world.apply(others, nameless('web'), slicesOf('web', await world.endpoints('a')))
      const mine = world.proxy.addresses().filter(({ service }) => service === 'default/web')
      seen.push(mine.map(({ key }) => key))
      expect(await world.ask(mine[0]?.key.replace('TCP/', '') ?? '')).toBe('a')
      const said = world.log.of('address.assigned').find(({ fields }) => fields['key'] === 'default/web')
      expect(`TCP/${said?.fields['ip']}:8080`).toBe(mine[0]?.key)
    }
    expect(seen[0]?.[0]).toMatch(/^TCP\/127\.70\.18\.1[2-9]\d:8080$/)
    expect(seen[1]).toEqual(seen[0])
    expect(seen[2]).toEqual(seen[0])
  })

  it('does not move while Services come and go, nor do its sessions notice', async () => {
    await using world = await open({ inputs })
    const slices = slicesOf('web', await world.endpoints('a'))
    await world.apply(nameless('web'), slices)
    const [mine] = addressesOf(world, 'clusterIP')
    const held = await world.greeted(mine ?? '')
    for (let n = 0; n < 20; n++) {
      await world.apply(
        Array.from({ length: 20 }, (_, other) => nameless(`s${n}-${other}`)),
        nameless('web'),
        slices,
      )
      expect(addressesOf(world, 'clusterIP')).toContain(mine)
      expect(new Set(addressesOf(world, 'clusterIP')).size).toBe(21)
    }
    await held.send(' still')
    await held.receives('still')
  })

  it('is missing without the flag, and one line names the Service', async () => {
    await using world = await open()
    await world.apply(nameless('web'), slicesOf('web', await world.endpoints('a')))
    expect(world.states()).toEqual({})
    expect(world.proxy.read().problems).toEqual([
      expect.objectContaining({ code: 'no-cluster-ip', object: 'Service default/web' }),
    ])
  })
})
