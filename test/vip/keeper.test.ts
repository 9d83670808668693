import { describe, expect, it } from 'vitest'
import { manualClock } from '../../src/lib/clock.ts'
import { parseCidr } from '../../src/model/address.ts'
import type { Cidr, Ip } from '../../src/model/keys.ts'
import { openVipKeeper, type VipChange } from '../../src/vip/keeper.ts'
import { Machine } from '../../src/vip/machine.ts'
import { eventually } from '../support/eventually.ts'
import { FakeKernel } from '../support/fake-kernel.ts'
import { aService, createCompiler } from '../support/objects.ts'
import { settle } from '../support/settle.ts'

const ip = (text: string) => text as Ip
const LOOK_MS = 30_000
const RETRY_MS = 5_000
/** No living instance has these numbers: they are given from 0 up. */
const DEAD = 97

async function createWorld({ kernel = new FakeKernel(), freeBind = true } = {}) {
  const clock = manualClock()
  const compiler = createCompiler()
  const inUse = new Set<string>()
  const changes: VipChange[] = []
  const failures: string[] = []
  let elsewhere = 0
  const keeper = await openVipKeeper({
    rules: {
      clusterIpRanges: ['10.96.0.0/16', 'fd00::/112'].map((text) => parseCidr(text) as Cidr),
      externalIpRanges: [],
    },
    freeBind,
    ip: kernel,
    inUse: async (ips) => new Set([...ips].filter((one) => inUse.has(one))),
    sourceFor: (family) => ip(family === 4 ? '192.0.2.1' : '2001:db8::1'),
    clock,
    events: {
      changed: (change) => changes.push(change),
      failed: (reason, ips) => failures.push(`${ips.join(' ')}: ${reason}`),
      elsewhere: () => elsewhere++,
    },
  })
  const compile = (...clusterIps: readonly (readonly string[])[]) =>
    compiler.compile(clusterIps.map((clusterIPs, n) => aService(`s${n}`, { clusterIP: clusterIPs[0], clusterIPs })))
  return {
    kernel,
    keeper,
    inUse,
    changes,
    failures,
    elsewhere: () => elsewhere,
    /** Serves Services with these clusterIPs, and no longer the ones before. */
    async serve(...clusterIps: readonly (readonly string[])[]): Promise<void> {
      await keeper.hold(compile(...clusterIps))
      keeper.release()
      await settle()
    },
    /** What the kernel has of ours, without the instance's own number. */
    made: () => kernel.ours().map((line) => line.replace(/ 11(\d)\d\d/, ' 11$1xx')),
    async pass(ms: number): Promise<void> {
      clock.advance(ms)
      await settle()
    },
    [Symbol.asyncDispose]: () => keeper[Symbol.asyncDispose](),
  }
}

describe('the keeper of VIPs', () => {
  it('makes them local before they are needed, and removes them at the end', async () => {
    const world = await createWorld()
    await world.serve(['10.96.0.1', 'fd00::1'])
    expect(world.made()).toEqual(['10.96.0.1 112xx from 192.0.2.1', 'fd00::1 112xx from 2001:db8::1'])
    expect([world.keeper.isLocal(ip('10.96.0.1')), world.keeper.isLocal(ip('10.96.0.2'))]).toEqual([true, false])
    await world.serve(['10.96.0.2'])
    expect(world.made()).toEqual(['10.96.0.2 112xx from 192.0.2.1'])
    expect(world.keeper.held).toBe(1)
    await world[Symbol.asyncDispose]()
    expect(world.made()).toEqual([])
    expect(world.changes.map(({ made, removed, held }) => [made, removed, held])).toEqual([
      [2, 0, 2],
      [1, 0, 3],
      [0, 2, 1],
      [0, 1, 0],
    ])
  })

  it('adds IPv6 addresses where a route is not enough, the mark first and gone last', async () => {
    await using world = await createWorld({ freeBind: false })
    await world.serve(['fd00::1'])
    expect(world.made()).toEqual(['fd00::1 113xx from 2001:db8::1', 'fd00::1 on lo'])
    expect(world.keeper.isMade(ip('fd00::1'))).toBe(true)
    await world.serve()
    expect(world.kernel.commands.map((command) => command.split(' ').slice(0, 2).join(' '))).toEqual([
      'route add',
      'addr add',
      'addr del',
      'route del',
    ])
    expect(world.keeper.isMade(ip('fd00::1'))).toBe(false)
  })

  it('leaves alone what the machine has without it, and gives up what it gets without it', async () => {
    const kernel = new FakeKernel()
    kernel.somebodys(4, '10.96.1.0/24', 'lo')
    await using world = await createWorld({ kernel })
    await world.serve(['10.96.1.1'], ['10.96.0.1'])
    expect(world.made()).toEqual(['10.96.0.1 112xx from 192.0.2.1'])
    expect(world.keeper.isLocal(ip('10.96.1.1'))).toBe(true)
    kernel.somebodys(4, '10.96.0.1', 'eth0')
    await world.pass(LOOK_MS)
    expect([world.made(), world.elsewhere()]).toEqual([[], 1])
    expect(world.keeper.isLocal(ip('10.96.0.1'))).toBe(true)
  })

  it('keeps one that TCP sessions run to until they have ended', async () => {
    await using world = await createWorld()
    await world.serve(['10.96.0.1'], ['10.96.0.2'])
    world.inUse.add('10.96.0.1')
    await world.serve()
    expect(world.made()).toEqual(['10.96.0.1 112xx from 192.0.2.1'])
    expect(world.changes.at(-1)).toEqual({ made: 0, removed: 1, held: 1, leaving: 1 })
    world.inUse.clear()
    await world.pass(LOOK_MS)
    expect(world.made()).toEqual([])
  })

  it('has one that is wanted again while it is being removed', async () => {
    await using world = await createWorld()
    await world.serve(['10.96.0.1'])
    const { batch } = world.kernel
    const again: Promise<void>[] = []
    const late = createCompiler().compile([aService('s0', { clusterIP: '10.96.0.1' })])
    // The next snapshot comes when the command is on its way.
    world.kernel.batch = (family, commands) => {
      world.kernel.batch = batch
      again.push(world.keeper.hold(late))
      return batch.call(world.kernel, family, commands)
    }
    await world.serve()
    await Promise.all(again)
    expect(again.length).toBe(1)
    expect(world.made()).toEqual(['10.96.0.1 112xx from 192.0.2.1'])
  })

  it('makes again what somebody took away', async () => {
    await using world = await createWorld({ freeBind: false })
    await world.serve(['10.96.0.1', 'fd00::1'])
    const before = world.made()
    world.kernel.routes[4].pop()
    world.kernel.routes[6].splice(-1)
    expect(world.made()).not.toEqual(before)
    await world.pass(LOOK_MS)
    expect(world.made()).toEqual(before)
  })

  it('says once why one cannot be made, makes the others, and tries again soon', async () => {
    await using world = await createWorld()
    world.kernel.refused.set('10.96.0.1/32', 'Operation not permitted')
    await world.serve(['10.96.0.1'], ['10.96.0.2'])
    await world.pass(RETRY_MS)
    expect(world.failures).toEqual(['10.96.0.1: Operation not permitted'])
    expect(world.made()).toEqual(['10.96.0.2 112xx from 192.0.2.1'])
    world.kernel.refused.clear()
    await world.pass(RETRY_MS)
    expect(world.made().toSorted()).toEqual(['10.96.0.1 112xx from 192.0.2.1', '10.96.0.2 112xx from 192.0.2.1'])
  })

  it('takes a machine that cannot be read for no news', async () => {
    await using world = await createWorld()
    await world.serve(['10.96.0.1'])
    world.kernel.unreadable = 'out of memory'
    await world.pass(LOOK_MS)
    expect(world.failures).toEqual([
      ': cannot read local addresses: out of memory; see that "ip route show table local" works here',
    ])
    expect(world.keeper.isLocal(ip('10.96.0.1'))).toBe(true)
    world.kernel.unreadable = undefined
  })

  it('removes what instances left that are no more, and nothing that only looks like it', async () => {
    const kernel = new FakeKernel()
    await kernel.batch(4, [
      `route add local 10.96.0.1/32 dev lo table local proto 112 metric ${11_200 + DEAD}`,
      `route add local 10.96.0.9/32 dev lo table local proto 112 metric ${11_200 + DEAD}`,
      // Not ours: another protocol, another metric.
      'route add local 10.96.0.7/32 dev lo table local proto 113 metric 11200',
      'route add local 10.96.0.8/32 dev lo table local proto 112 metric 20',
    ])
    kernel.commands.splice(0)
    await using world = await createWorld({ kernel })
    await world.serve(['10.96.0.1'])
    await eventually(() => expect(world.made()).toEqual(['10.96.0.8 20', '10.96.0.1 112xx from 192.0.2.1']))
    // Never gone for a moment.
    expect(kernel.commands.map((command) => command.split(' ').slice(0, 4).join(' '))).toEqual([
      'route add local 10.96.0.1/32',
      'route del local 10.96.0.1/32',
      'route del local 10.96.0.9/32',
    ])
  })

  it('leaves an address that another instance needs', async () => {
    const kernel = new FakeKernel()
    await using first = await createWorld({ kernel, freeBind: false })
    const second = await createWorld({ kernel, freeBind: false })
    await first.serve(['fd00::1'])
    await second.serve(['fd00::1'])
    expect(kernel.ours().filter((line) => line.endsWith('on lo'))).toEqual(['fd00::1 on lo'])
    await second[Symbol.asyncDispose]()
    expect(first.made()).toEqual(['fd00::1 113xx from 2001:db8::1', 'fd00::1 on lo'])
    const machine = new Machine(kernel)
    await machine.look()
    expect(await machine.removeLeftovers()).toEqual({ removed: [], failed: new Map(), inUse: ['fd00::1'] })
  })

  it('has a problem with a VIP outside of its ranges, until the machine has it anyway', async () => {
    await using world = await createWorld()
    const snapshot = createCompiler().compile([aService('web', { clusterIP: '10.0.0.1' })])
    await world.keeper.hold(snapshot)
    expect(world.keeper.inspect(snapshot).map(({ severity, field, value }) => [severity, field, value])).toEqual([
      ['error', 'spec.clusterIP', '"10.0.0.1"'],
    ])
    world.kernel.somebodys(4, '10.0.0.1', 'lo')
    await world.pass(LOOK_MS)
    expect(world.keeper.inspect(snapshot)).toEqual([])
    world.kernel.routes[4].pop()
    world.kernel.somebodys(4, '10.0.0.1', 'eth0')
    await world.pass(LOOK_MS)
    expect(world.keeper.inspect(snapshot).map(({ severity }) => severity)).toEqual(['warning'])
    expect(world.elsewhere()).toBe(2)
  })

  it('has that problem, too, with one that is still local because of it: it is about to go', async () => {
    const ingress = { loadBalancer: { ingress: [{ ip: '10.0.0.1' }] } }
    const spec = { clusterIP: '10.96.0.1', type: 'LoadBalancer', allocateLoadBalancerNodePorts: false }
    await using world = await createWorld()
    const compiler = createCompiler()
    await world.keeper.hold(compiler.compile([aService('web', spec, {}, { status: ingress })]))
    expect(world.keeper.isLocal(ip('10.0.0.1'))).toBe(true)
    const next = compiler.compile([aService('web', { clusterIP: '10.96.0.1', externalIPs: ['10.0.0.1'] })])
    expect(world.keeper.inspect(next).map(({ severity, field }) => [severity, field])).toEqual([['error', 'spec.externalIPs']])
  })
})
