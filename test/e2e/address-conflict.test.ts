import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { expect, it } from 'vitest'
import { sayName, TcpEndpoint, UdpEndpoint } from '../support/echo.ts'
import { eventually } from '../support/eventually.ts'
import { aService, type Json } from '../support/objects.ts'
import { describeOnEngines, slicesOf } from '../support/world.ts'

const NODE = '127.70.12.250:30080'
const onNode = (name: string, clusterIP: string, metadata: Json = {}) =>
  aService(name, { type: 'NodePort', clusterIP, ports: [{ port: 8080, nodePort: 30_080 }] }, metadata)

describeOnEngines('an address', '127.70.12', (open) => {
  // Case 85.
  it('that two Services want belongs to one, the other names it, serves its own, and gets it when the first goes', async () => {
    await using world = await open()
    const [a, b] = (await world.endpoints('a', 'b')) as [TcpEndpoint, TcpEndpoint]
    const first = onNode('first', '127.70.12.1', { creationTimestamp: '2024-01-01T00:00:00Z' })
    const second = onNode('second', '127.70.12.2', { creationTimestamp: '2025-01-01T00:00:00Z' })
    const slices = [slicesOf('first', [a]), slicesOf('second', [b])]
    await world.apply(second, first, ...slices)
    expect(await world.ask(NODE)).toBe('a')
    expect(await world.ask('127.70.12.2:8080')).toBe('b')
    expect(world.proxy.read().problems).toEqual([
      expect.objectContaining({
        severity: 'error',
        object: 'Service default/second',
        field: 'spec.ports.nodePort',
        message: expect.stringContaining('is held by Service default/first'),
      }),
    ])
    const held = await world.greeted(NODE)
    await world.apply(second, ...slices)
    expect(world.proxy.read().problems.filter(({ object }) => object === 'Service default/second')).toEqual([])
    expect(await world.ask(NODE)).toBe('b')
    await held.send(' still')
    await held.receives('still')
    expect(held.text).toBe('a still')
    // It comes back and is older: the address is its own again, and the newer one's session goes on.
    const other = await world.greeted(NODE)
    await world.apply(first, second, ...slices)
    expect(await world.ask(NODE)).toBe('a')
    await other.send(' still')
    await other.receives('b still')
  })

  it('stays with the Service that holds it where nothing says which is older', async () => {
    await using world = await open()
    const [a, b] = (await world.endpoints('a', 'b')) as [TcpEndpoint, TcpEndpoint]
    const slices = [slicesOf('one', [a]), slicesOf('two', [b])]
    await world.apply(onNode('two', '127.70.12.2'), ...slices)
    await world.apply(onNode('one', '127.70.12.1'), onNode('two', '127.70.12.2'), ...slices)
    expect(await world.ask(NODE)).toBe('b')
  })

  // Case 86.
  it('that another program holds is said, tried again, and served once it is free', async () => {
    await using world = await open()
    const foreign = await world.keep(TcpEndpoint.open('127.70.12.250', 'say foreign, shut', 30_080))
    await world.apply(onNode('web', '127.70.12.1'), slicesOf('web', await world.endpoints('a')))
    expect(world.address(`TCP/${NODE}`)?.status).toMatchObject({ state: 'failed', code: 'EADDRINUSE' })
    expect(world.log.of('listener.failed')).toHaveLength(1)
    expect(await world.ask('127.70.12.1:8080')).toBe('a')
    expect(await world.ask(NODE)).toBe('foreign')
    await foreign[Symbol.asyncDispose]()
    await eventually(async () => expect(await world.ask(NODE)).toBe('a'))
    expect(world.address(`TCP/${NODE}`)?.status.state).toBe('listening')
    // Said once, however often it was tried.
    expect(world.log.of('listener.failed')).toHaveLength(1)
  })

  it('for UDP that another program holds is served once it is free', async () => {
    await using world = await open()
    const foreign = await world.keep(UdpEndpoint.open('127.70.12.1', sayName('foreign'), 8080))
    const dns = aService('dns', { clusterIP: '127.70.12.1', ports: [{ port: 8080, protocol: 'UDP' }] })
    await world.apply(dns, slicesOf('dns', await world.udpEndpoints('a'), { protocol: 'UDP' }))
    expect(world.address('UDP/127.70.12.1:8080')?.status).toMatchObject({ state: 'failed', code: 'EADDRINUSE' })
    await foreign[Symbol.asyncDispose]()
    const client = await world.udpClient('127.70.12.1:8080')
    expect(`${await client.askAgain('x')}`).toBe('a')
  })

  it('that could not be had is not asked for any more once its Service is gone', async () => {
    await using world = await open()
    const foreign = await world.keep(TcpEndpoint.open('127.70.12.250', 'say foreign, shut', 30_080))
    await world.apply(onNode('web', '127.70.12.1'), slicesOf('web', await world.endpoints('a')))
    await world.apply()
    expect(world.states()).toEqual({})
    await foreign[Symbol.asyncDispose]()
    await world.apply(onNode('web', '127.70.12.1'), slicesOf('web', await world.endpoints('a')))
    expect(await world.ask(NODE)).toBe('a')
  })

  // Case 87.
  it('that this machine does not have keeps no other from being served', async () => {
    await using world = await open()
    const externalIPs = ['192.0.2.7', '127.70.12.3']
    const service = aService('web', {
      type: 'NodePort',
      clusterIP: '127.70.12.1',
      externalIPs,
      ports: [{ port: 8080, nodePort: 30_080 }],
    })
    await world.apply(service, slicesOf('web', await world.endpoints('a')))
    for (const address of ['127.70.12.1:8080', '127.70.12.3:8080', NODE]) expect(await world.ask(address)).toBe('a')
    expect(world.address('TCP/192.0.2.7:8080')?.status).toMatchObject({ state: 'failed', code: 'EADDRNOTAVAIL' })
    expect(world.log.of('listener.failed')[0]?.message).toMatch(/192\.0\.2\.7:8080.*not an address of this machine/)
  })

  it('of one protocol says nothing about the other', async () => {
    await using world = await open()
    const server = createServer().listen(8080, '127.70.12.1')
    await once(server, 'listening')
    const socket = createSocket('udp4')
    try {
      const ports = [
        { name: 't', port: 8080 },
        { name: 'u', port: 8080, protocol: 'UDP' },
      ]
      const udp = await world.udpEndpoints('a')
      await world.apply(
        aService('web', { clusterIP: '127.70.12.1', ports }),
        slicesOf('web', udp, { name: 'u', protocol: 'UDP' }),
      )
      expect(`${await (await world.udpClient('127.70.12.1:8080')).ask('x')}`).toBe('a')
    } finally {
      socket.close()
      server.close()
    }
  })

  it('that belongs to the proxy is no endpoint', async () => {
    await using world = await open()
    const [a] = (await world.endpoints('a')) as [TcpEndpoint]
    const loop = { address: { ip: '127.70.12.1', port: 8080 } } as TcpEndpoint
    await world.apply(aService('web', { clusterIP: '127.70.12.1', ports: [{ port: 8080 }] }), slicesOf('web', [loop, a]))
    expect(new Set(await world.askTimes(4, '127.70.12.1:8080'))).toEqual(new Set(['a']))
    expect(world.proxy.read().problems).toEqual([expect.objectContaining({ code: 'endpoint-loop' })])
  })
})
