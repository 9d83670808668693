import { describe, expect, it } from 'vitest'
import { openProxy, ProxyError } from '../../src/library.ts'
import { eventually } from '../support/eventually.ts'
import { askName, connectNamed, openNamedServer } from '../support/named-servers.ts'
import { serviceObjects } from '../support/one-service.ts'

describe('library', () => {
  it('serves objects and takes new ones without touching sessions that stay', async () => {
    await using a = await openNamedServer('a')
    await using b = await openNamedServer('b')
    await using proxy = await openProxy({ objects: serviceObjects('127.63.0.1', [a.port]), allowLoopbackEndpoints: true })
    await proxy.ready
    const { socket, name } = await connectNamed('127.63.0.1', 8080)
    expect(name).toBe('a')
    proxy.update(serviceObjects('127.63.0.1', [a.port, b.port]))
    await eventually(async () => expect(await askName('127.63.0.1', 8080)).toBe('b'))
    socket.write('still here')
    expect(await new Promise((resolve) => socket.once('data', (bytes) => resolve(bytes.toString())))).toBe('still here')
    socket.destroy()
  })

  it('lists addresses and problems instead of throwing about objects', async () => {
    await using proxy = await openProxy({ objects: [...serviceObjects('127.63.0.2', []), { kind: 'Service' }, 42] })
    await proxy.ready
    expect(proxy.addresses()).toMatchObject([{ key: 'TCP/127.63.0.2:8080', kind: 'clusterIP', service: 'default/web' }])
    expect(proxy.problems().length).toBeGreaterThan(1)
  })

  it('drains: nothing new, and cuts what runs at the deadline', async () => {
    await using a = await openNamedServer('a')
    await using proxy = await openProxy({ objects: serviceObjects('127.63.0.3', [a.port]), allowLoopbackEndpoints: true })
    await proxy.ready
    const { socket } = await connectNamed('127.63.0.3', 8080)
    expect(await proxy.drain({ deadlineMs: 50 })).toEqual({ cut: 1 })
    await expect(askName('127.63.0.3', 8080)).rejects.toThrow('ECONNREFUSED')
    socket.destroy()
  })

  it('releases its addresses when disposed, once or twice', async () => {
    const options = { objects: serviceObjects('127.63.0.4', [1]), allowLoopbackEndpoints: true }
    const first = await openProxy(options)
    await first.ready
    await first[Symbol.asyncDispose]()
    await first[Symbol.asyncDispose]()
    await using second = await openProxy(options)
    await second.ready
    expect(second.addresses()[0]?.status.state).toBe('listening')
  })

  it('opens metrics only when asked', async () => {
    await using quiet = await openProxy({})
    await quiet.ready
    await using proxy = await openProxy({ metricsBindAddress: '127.63.0.5:10249' })
    await proxy.ready
    const metrics = await (await fetch('http://127.63.0.5:10249/metrics')).text()
    expect(metrics).toContain('portald_build_info')
    expect(metrics).not.toContain('process_cpu')
  })

  it('throws one error that names every wrong option', async () => {
    const wrong = { workers: 'many', udpTimeout: -1, workes: 2 } as never
    const error = await openProxy(wrong).catch((caught: unknown) => caught)
    expect(error).toBeInstanceOf(ProxyError)
    expect(error).toMatchObject({
      code: 'E_CONFIG',
      message: expect.stringMatching(/workes.*nearest is workers.*workers.*udpTimeout/s),
    })
  })
})
