import { expect, it } from 'vitest'
import { startCommand } from '../support/command.ts'
import { openRefusing, sayName, TcpEndpoint, UdpEndpoint } from '../support/echo.ts'
import { connectTcp } from '../support/tcp-client.ts'
import { UdpClient } from '../support/udp-client.ts'
import { addressOf, describeOnEngines } from '../support/world.ts'

const NETWORK = '127.70.23'

async function ask(address: string): Promise<string> {
  await using client = await connectTcp(addressOf(address))
  await client.receives(1)
  return client.text
}

describeOnEngines('forward', NETWORK, (_open, engine) => {
  const forward = (...args: string[]) => startCommand(['forward', ...args, '--engine', engine, '--workers', '2'])
  const show = ({ address: { ip, port } }: { readonly address: { readonly ip: string; readonly port: number } }) =>
    `${ip}:${port}`

  it('goes round TCP endpoints, passes over one that refuses, and lets sessions finish', async () => {
    await using a = await TcpEndpoint.open(`${NETWORK}.101`, 'say a, echo')
    await using b = await TcpEndpoint.open(`${NETWORK}.102`, 'say b, echo')
    await using gone = await openRefusing(`${NETWORK}.103`)
    await using command = forward(`tcp://${NETWORK}.1:8080`, show(a), show(gone), show(b))
    await command.event('proxy.ready')
    const names: string[] = []
    for (let n = 0; n < 6; n++) names.push(await ask(`${NETWORK}.1:8080`))
    expect([...names].sort().join('')).toMatch(/^a+b+$/)
    await using held = await connectTcp(addressOf(`${NETWORK}.1:8080`))
    await held.receives(1)
    command.process.kill('SIGTERM')
    await command.event('proxy.draining')
    await held.send(' still')
    await held.receives('still')
    held.halfClose()
    expect(await command.exit).toEqual({ code: 0, signal: null })
  })

  it('carries datagrams, and keeps a client on its endpoint with --affinity', async () => {
    await using a = await UdpEndpoint.open(`${NETWORK}.101`, sayName('a'))
    await using b = await UdpEndpoint.open(`${NETWORK}.102`, sayName('b'))
    await using command = forward(`udp://${NETWORK}.1:5353`, show(a), show(b), '--affinity', 'client-ip=60')
    await command.event('proxy.ready')
    const names = new Set<string>()
    for (let n = 0; n < 4; n++) {
      await using client = await UdpClient.open(addressOf(`${NETWORK}.1:5353`))
      names.add(`${await client.askAgain('x')}`)
    }
    expect(names.size).toBe(1)
  })

  it('says that its address is taken, and serves once it is free', async () => {
    await using a = await TcpEndpoint.open(`${NETWORK}.101`, 'say a, echo')
    const foreign = await TcpEndpoint.open(`${NETWORK}.2`, 'say foreign, echo', 8080)
    await using command = forward(`tcp://${NETWORK}.2:8080`, show(a))
    expect(await command.event('listener.failed')).toMatchObject({ code: 'EADDRINUSE' })
    await foreign[Symbol.asyncDispose]()
    await command.event('listener.opened')
    expect(await ask(`${NETWORK}.2:8080`)).toBe('a')
  })
})
