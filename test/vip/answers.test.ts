import { describe, expect, it } from 'vitest'
import type { Ip, Port } from '../../src/model/keys.ts'
import { deliveredIf, type RoutingRule, readInterfaces, readRouting } from '../../src/vip/answers.ts'

const LOCAL = { priority: 0, src: 'all', table: '255' }
const MAIN = { priority: 32_766, src: 'all', table: '254' }
const TABLE_100 = { type: '2', dst: 'default', dev: 'lo', table: '100', scope: '254', flags: [] }
const OWN = { type: '2', dst: '127.0.0.0/8', dev: 'lo', table: '255' }

/** When what 10.1.0.5:8080/TCP answers by eth1 is delivered here. */
function under(rules: readonly RoutingRule[], routes: readonly object[] = [OWN, TABLE_100]): readonly string[] {
  const routing = readRouting(JSON.stringify([LOCAL, ...rules, MAIN]), JSON.stringify(routes))
  return deliveredIf({ address: { ip: '10.1.0.5' as Ip, port: 8080 as Port }, protocol: 'TCP' }, 'eth1', routing)
}

describe('what endpoints answer to the clients themselves', () => {
  it('is forwarded unless a rule leads it to a table that makes every address local', () => {
    const rule = { src: 'all', iif: 'eth1', ipproto: 'ipproto-6', sport: 8080, table: '100' }
    expect(under([])).toEqual([])
    expect(under([rule])).toEqual([''])
    // A route is missing.
    expect(under([rule], [OWN])).toEqual([])
    expect(under([{ ...rule, table: '101' }])).toEqual([])
    // Addresses one by one are somebody's own.
    expect(under([rule], [{ dst: '10.96.0.10', dev: 'lo', table: '100' }])).toEqual([])
  })

  it.each<[string, RoutingRule, boolean]>([
    ['the protocol by its name', { ipproto: 'tcp' }, true],
    ['another protocol', { ipproto: 'ipproto-17' }, false],
    ['another port', { sport: 80 }, false],
    ['a range of ports', { sport_start: 8000, sport_end: 8080 }, true],
    ['another range of ports', { sport_start: 8081, sport_end: 9000 }, false],
    ['another interface', { iif: 'eth2' }, false],
    ['its address', { src: '10.1.0.5' }, true],
    ['its network', { src: '10.1.0.0', srclen: 24 }, true],
    ['another network', { src: '10.2.0.0', srclen: 24 }, false],
    ['what no packet is known to have', { dport: 80 }, false],
    ['all but it', { not: null, src: '10.9.0.1' }, false],
  ])('is looked for by %s', (_, rule, found) => {
    expect(under([{ src: 'all', table: '100', ...rule }])).toEqual(found ? [''] : [])
  })

  it('may depend on a mark of a firewall, or on the client', () => {
    expect(under([{ src: 'all', fwmark: '0x1', table: '100' }])).toEqual(['marked 0x1'])
    expect(under([{ src: 'all', dst: '192.0.2.0', dstlen: 24, table: '100' }])).toEqual(['to 192.0.2.0/24'])
    const narrow = { ...TABLE_100, dst: '10.0.0.0/8' }
    expect(under([{ src: 'all', fwmark: '0x1', table: '100' }], [narrow])).toEqual(['marked 0x1 and to 10.0.0.0/8'])
    // One that asks for nothing makes up for it.
    expect(
      under([
        { src: 'all', fwmark: '0x1', table: '100' },
        { src: 'all', sport: 8080, table: '100' },
      ]),
    ).toEqual([''])
  })

  it('has been forwarded before rules that come after the main table are asked', () => {
    expect(under([MAIN, { src: 'all', table: '100' }])).toEqual([])
    // What leaves its default route out does not know every client.
    expect(
      under([
        { ...MAIN, suppress_prefixlen: 0 },
        { src: 'all', table: '100' },
      ]),
    ).toEqual([''])
  })

  it('is read from an `ip` that has nothing to print, and knows no way to some', () => {
    expect(readRouting('', '')).toEqual({ rules: [], localRanges: new Map() })
    const printed = '[{"dst":"10.1.0.5","dev":"eth1","flags":[]}]\n[{"type":"2","dst":"fd00::1","dev":"lo"}]\n'
    expect([...readInterfaces(printed)]).toEqual([
      ['10.1.0.5', 'eth1'],
      ['fd00::1', 'lo'],
    ])
  })
})
