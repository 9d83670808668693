import { describe, expect, it } from 'vitest'
import { type Caller, type HouseRules, judge, type Knock } from '../../src/admin/front/guard.ts'
import { callerOfToken, parseTokens } from '../../src/admin/front/tokens.ts'

const TOKENS = parseTokens('# who may\n\n0123456789abcdef,alice\n 0123456789ABCDEF , bob@example.org , read-only \n')
const RULES: HouseRules = {
  readOnly: false,
  callerOfToken: (token) => callerOfToken(TOKENS, token),
  isOurName: (name) => name === 'lb.example',
}

function answer(knock: Partial<Knock>, rules: Partial<HouseRules> = {}): string {
  const whole: Knock = { from: 'loopback', method: 'GET', headers: {}, certificateName: undefined, ...knock }
  const judged = judge(whole, { ...RULES, ...rules })
  return 'code' in judged ? String(judged.code) : (judged as Caller).name
}

const bearer = (token: string, host = 'lb.example') => ({ host, authorization: `Bearer ${token}` })

describe('who is let in', () => {
  it.each([
    ['localhost:10246', 'local'],
    ['LOCALHOST', 'local'],
    ['127.0.0.1:10246', 'local'],
    ['127.9.9.9', 'local'],
    ['[::1]:10246', 'local'],
    ['evil.example:10246', '403'],
    ['localhost.evil.example', '403'],
    ['127.0.0.1.evil.example', '403'],
    ['192.0.2.1:10246', '403'],
    ['lb.example', '403'],
    ['', '400'],
    ['localhost:x', '400'],
    ['a b', '400'],
  ])('on loopback, Host %s: %s', (host, expected) => {
    expect(answer({ headers: { host } })).toBe(expected)
  })

  it.each([
    [{ origin: 'http://evil.example' }, '403'],
    [{ origin: 'null' }, '403'],
    [{ origin: 'https://localhost:10246' }, '403'],
    [{ origin: 'http://localhost:3000' }, '403'],
    [{ origin: 'http://localhost:10246' }, 'local'],
    [{ 'sec-fetch-site': 'cross-site' }, '403'],
    [{ 'sec-fetch-site': 'same-site' }, '403'],
    [{ 'sec-fetch-site': 'same-origin' }, 'local'],
    [{ 'sec-fetch-site': 'none' }, 'local'],
  ])('from a page, %j: %s', (headers, expected) => {
    expect(answer({ headers: { host: 'localhost:10246', ...headers } })).toBe(expected)
  })

  it('on a Unix socket, whatever the host, unless it comes from a page', () => {
    expect(answer({ from: 'socket', method: 'POST', headers: { host: 'x' } })).toBe('local')
    expect(answer({ from: 'socket', headers: { host: 'x', origin: 'http://x' } })).toBe('403')
  })

  it('from a browser on a network, with the token as the password of anybody', () => {
    const basic = (pair: string) => ({ host: 'lb.example', authorization: `Basic ${Buffer.from(pair).toString('base64')}` })
    const from = 'network'
    expect(answer({ from, headers: basic('alice:0123456789abcdef') })).toBe('alice')
    expect(answer({ from, headers: basic(':0123456789abcdef') })).toBe('alice')
    expect(answer({ from, method: 'PUT', headers: basic('x:0123456789ABCDEF') })).toBe('403')
    for (const pair of ['0123456789abcdef', '0123456789abcdef:', 'alice:0123456789abcde', 'alice:x:0123456789abcdef', '']) {
      expect([pair, answer({ from, headers: basic(pair), certificateName: 'carol' })]).toEqual([pair, '401'])
    }
    // A browser sends it along wherever the request comes from.
    expect(answer({ from, headers: { ...basic(':0123456789abcdef'), 'sec-fetch-site': 'cross-site' } })).toBe('403')
  })

  it('from a network, by token or certificate; a wrong token is not made good by a certificate', () => {
    const from = 'network'
    expect(answer({ from, headers: bearer('0123456789abcdef') })).toBe('alice')
    expect(answer({ from, headers: { host: 'lb.example', authorization: 'bearer  0123456789abcdef' } })).toBe('alice')
    expect(answer({ from, headers: bearer('0123456789abcdeF') })).toBe('401')
    expect(answer({ from, headers: bearer('0123456789abcde') })).toBe('401')
    expect(answer({ from, headers: { host: 'lb.example', authorization: 'Basic 0123456789abcdef' } })).toBe('401')
    expect(answer({ from, headers: { host: 'lb.example' } })).toBe('401')
    expect(answer({ from, headers: { host: 'lb.example' }, certificateName: 'carol' })).toBe('carol')
    expect(answer({ from, headers: bearer('wrong wrong wrong'), certificateName: 'carol' })).toBe('401')
  })

  it('from a network, for addresses and the names of the certificate', () => {
    const host = (name: string) => answer({ from: 'network', headers: bearer('0123456789abcdef', name) })
    expect([host('192.0.2.1:1'), host('[2001:db8::1]:1'), host('lb.example:1')]).toEqual(['alice', 'alice', 'alice'])
    expect([host('other.example'), host('')]).toEqual(['403', '400'])
  })

  it('to read only, where nobody or this caller may write', () => {
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'X']) {
      expect(answer({ from: 'socket', method })).toBe('local')
      expect(answer({ from: 'socket', method }, { readOnly: true })).toBe('403')
      const headers = bearer('0123456789ABCDEF')
      expect(answer({ from: 'network', method, headers })).toBe('403')
    }
    expect(answer({ from: 'socket', method: 'GET' }, { readOnly: true })).toBe('local')
    expect(answer({ from: 'network', headers: bearer('0123456789ABCDEF') })).toBe('bob@example.org')
  })
})

describe('file of tokens', () => {
  it.each([
    ['short,alice', 'line 1: a token needs 16 characters at least'],
    ['# x\n0123456789abcdef', 'line 2: write TOKEN,NAME with a name of letters, digits and . _ - : @'],
    ['0123456789abcdef,a b', 'line 1: write TOKEN,NAME with a name of letters, digits and . _ - : @'],
    ['0123456789abcdef,a,admin', 'line 1: after the name there may be read-only and nothing else'],
    ['0123456789abcdef,a,read-only,x', 'line 1: after the name there may be read-only and nothing else'],
    ['\n# nothing\n', 'there is no token in it'],
  ])('%j: %s', (text, message) => {
    expect(() => parseTokens(text)).toThrow(new RegExp(`^${message}$`))
    expect(() => parseTokens(text)).not.toThrow(/0123456789|short/)
  })
})
