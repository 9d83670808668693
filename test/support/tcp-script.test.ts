import { describe, expect, it } from 'vitest'
import { TcpEndpoint } from './echo.ts'
import { patternSha256 } from './tally.ts'
import { connectTcp } from './tcp-client.ts'
import { parseTcpScript } from './tcp-script.ts'

describe('a TCP script', () => {
  it('says whose it is, and which step is none', () => {
    expect(parseTcpScript('connect, send 5').role).toBe('client')
    expect(parseTcpScript('accept, send 5, shut, wait 100ms, reset').role).toBe('endpoint')
    expect(() => parseTcpScript('accept, sned 5')).toThrow('"sned 5": there are accept, connect, send')
    expect(() => parseTcpScript('send five')).toThrow('"five" is not a number of bytes')
    expect(() => parseTcpScript('wait 5')).toThrow('"5" is not a time')
  })

  it('plays both sides', async () => {
    await using endpoint = await TcpEndpoint.open('127.41.9.1', 'accept, read 5, say answer, send 2M, shut, read end')
    await using client = await connectTcp(endpoint.address)
    await parseTcpScript('connect, say hello, read 6, read end, shut').run(client)
    expect(client.text.slice(0, 6)).toBe('answer')
    const session = await endpoint.session()
    expect([await session.ends(), session.text, session.sent]).toEqual(['end', 'hello', 2 ** 21])
    expect(client.received.bytes).toBe(6 + 2 ** 21)
    expect(patternSha256(3)).not.toBe(patternSha256(4))
  })

  it('tells a reset from an end', async () => {
    await using endpoint = await TcpEndpoint.open('127.41.9.1', 'accept, read 1, reset')
    await using client = await connectTcp(endpoint.address)
    await parseTcpScript('connect, send 1').run(client)
    expect(await client.closes()).toBe('reset')
  })
})
