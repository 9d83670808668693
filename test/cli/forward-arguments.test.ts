import { describe, expect, it } from 'vitest'
import { parseForward } from '../../src/cli/forward-arguments.ts'
import { type Problem, showProblem } from '../../src/model/problem.ts'

function parse(listen: string, endpoints: readonly string[] = ['127.0.0.1:9001'], affinity?: string) {
  const problems: Problem[] = []
  const plan = parseForward({ listen, endpoints, affinity }, problems)
  return { plan, lines: problems.map(showProblem) }
}

describe('forward arguments', () => {
  it('become a plan', () => {
    expect(parse('tcp://127.0.0.1:8080', ['127.0.0.1:9001', 'DB.example:5432']).plan).toEqual({
      protocol: 'TCP',
      listen: { ip: '127.0.0.1', port: 8080 },
      endpoints: [
        { host: '127.0.0.1', port: 9001 },
        { host: 'db.example', port: 5432 },
      ],
      affinityTimeoutMs: undefined,
    })
  })

  it('take UDP, and IPv6 in brackets', () => {
    expect(parse('udp://[::1]:53', ['[2001:DB8::1]:53', 'localhost:53']).plan).toMatchObject({
      protocol: 'UDP',
      listen: { ip: '::1', port: 53 },
      endpoints: [{ host: '2001:db8::1' }, { host: 'localhost' }],
    })
  })

  it('take localhost and every address to listen on', () => {
    expect(parse('tcp://localhost:80').plan?.listen).toEqual({ ip: '127.0.0.1', port: 80 })
    expect(parse('tcp://0.0.0.0:80').plan?.listen).toEqual({ ip: '0.0.0.0', port: 80 })
  })

  it.each([
    ['client-ip', 10_800_000],
    ['client-ip=600', 600_000],
    ['client-ip=10m', 600_000],
    ['client-ip=86400', 86_400_000],
  ])('read affinity %s', (text, ms) => {
    expect(parse('tcp://127.0.0.1:80', undefined, text).plan?.affinityTimeoutMs).toBe(ms)
  })

  it.each(['', 'ip', 'client-ip=', 'client-ip=0', 'client-ip=86401', 'client-ip=1.5'])('refuse affinity "%s"', (text) => {
    expect(parse('tcp://127.0.0.1:80', undefined, text).lines).toEqual([
      `--affinity: error: "${text}": must be client-ip, or client-ip= and 1 to 86400 seconds`,
    ])
  })

  it.each([
    '127.0.0.1:80',
    'http://127.0.0.1:80',
    'tcp://127.0.0.1',
    'tcp://web:80',
    'tcp://::1:80',
    'tcp://127.0.0.1:0',
    'tcp://',
  ])('refuse to listen on "%s"', (text) => {
    expect(parse(text).lines).toEqual([`LISTEN: error: "${text}": must be tcp://IP:PORT or udp://IP:PORT`])
  })

  it.each(['web', '9001', ':9001', 'web:0', 'web:65536', '2001:db8::1:53', '10.0.0.999:80', 'a b:1', 'http://a:1'])(
    'refuse the endpoint "%s"',
    (text) => {
      expect(parse('tcp://127.0.0.1:80', [text]).lines).toEqual([
        `ENDPOINT: error: "${text}": must be HOST:PORT, an IPv6 address in brackets`,
      ])
    },
  )

  it('name every word that is wrong', () => {
    expect(parse('tcp://x', ['a', 'b:1', 'c'], 'sticky').lines).toHaveLength(4)
  })

  it('refuse an address of the other family', () => {
    expect(parse('tcp://127.0.0.1:80', ['[::1]:80']).lines).toEqual([
      'ENDPOINT: error: "[::1]:80": must be an IPv4 address or a name, as tcp://127.0.0.1:80 is IPv4',
    ])
  })
})
