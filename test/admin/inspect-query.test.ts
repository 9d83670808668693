import { describe, expect, it } from 'vitest'
import { isEmpty, parseDrainQuery, parseExplainQuery, parseSessionQuery, type Query } from '../../src/admin/inspect-query.ts'

const selected = (query: Query) => {
  const asked = parseSessionQuery(query)
  return 'wrong' in asked ? asked.wrong : JSON.parse(JSON.stringify(asked.value))
}

describe('a query for sessions', () => {
  it('means all of them, a thousand at a time, when it says nothing', () => {
    expect(selected({})).toEqual({ selection: {}, limit: 1000 })
    expect(selected({ service: '', endpoint: '', id: '' })).toEqual({ selection: {}, limit: 1000 })
  })

  it('reads addresses, ranges, durations and sizes', () => {
    const query = {
      id: ['1,2', '3'],
      service: 'default/web:http',
      endpoint: '[2001:DB8::1]:80',
      client: '192.0.2.77/24',
      olderThan: '1h30m',
      idleLongerThan: '90',
      bytesOver: '2Ki',
      limit: '0',
    }
    expect(selected(query)).toEqual({
      selection: {
        ids: [1, 2, 3],
        service: 'default/web:http',
        endpoint: '[2001:db8::1]:80',
        client: '192.0.2.0/24',
        olderThanMs: 5_400_000,
        idleLongerThanMs: 90_000,
        bytesOver: 2048,
      },
      limit: 0,
    })
    expect(selected({ client: '2001:db8::1' })).toMatchObject({ selection: { client: '2001:db8::1/128' } })
    expect(selected({ endpoint: '[2001:db8::1]' })).toMatchObject({ selection: { endpoint: '2001:db8::1' } })
  })

  it('says everything that is wrong with it', () => {
    expect(selected({ id: 'x', bytesOver: '-1', limit: '100001', sevrice: 'default/web' })).toBe(
      [
        'sevrice: is not known; there is id, service, endpoint, client, olderThan, idleLongerThan, bytesOver, limit',
        'id: "x": must be the number of a session, as "portald sessions" shows it',
        'bytesOver: "-1": must be a number of bytes such as 4096, 10M or 1Gi',
        'limit: "100001": must be a whole number from 0 to 100000',
      ].join('; '),
    )
    expect(selected({ id: Array.from({ length: 1001 }, (_, n) => String(n + 1)) })).toBe('id: no more than 1000 at once')
  })

  it('is empty when no session is told from another', () => {
    const asked = parseSessionQuery({ limit: '5' })
    expect('value' in asked && isEmpty(asked.value.selection)).toBe(true)
    const some = parseSessionQuery({ olderThan: '0s' })
    expect('value' in some && isEmpty(some.value.selection)).toBe(false)
  })
})

describe('a query for endpoints to drain', () => {
  it('names them by Service, address or node', () => {
    expect(parseDrainQuery({ endpoint: '010.1.0.1:80', service: 'default/web' })).toEqual({
      value: { endpoint: '10.1.0.1:80', service: 'default/web', node: undefined },
    })
    expect(parseDrainQuery({})).toEqual({ wrong: 'give a service, an endpoint or a node' })
    expect(parseDrainQuery({ endpoint: 'web' })).toEqual({
      wrong: 'endpoint: "web": must be an address such as 10.1.2.3 or 10.1.2.3:8080',
    })
  })
})

describe('a question for an explanation', () => {
  it('takes destinations with and without a protocol', () => {
    const destination = { ip: '10.0.0.1', port: 53 }
    for (const text of ['udp://10.0.0.1:53', 'UDP/10.0.0.1:53']) {
      expect(parseExplainQuery({ client: '192.0.2.1', destination: text })).toEqual({
        value: { client: '192.0.2.1', protocol: 'UDP', destination },
      })
    }
    expect(parseExplainQuery({ client: '192.0.2.1:4711', destination: '10.0.0.1:53' })).toEqual({
      value: { client: '192.0.2.1', protocol: undefined, destination },
    })
  })

  it('says what is wrong', () => {
    expect(parseExplainQuery({ client: 'me' })).toEqual({
      wrong:
        'client: "me": must be an address such as 192.0.2.1; destination: "": must be an address and port such as 10.96.0.10:80 or udp://10.96.0.10:53',
    })
  })
})
