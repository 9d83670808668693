import { describe, expect, it } from 'vitest'
import { readTransparent } from '../../src/cli/doctor-transparent.ts'
import { parsePrivileges } from '../../src/lib/privileges.ts'
import type { IpRouting } from '../../src/vip/iproute.ts'
import { aService, aSlice, createCompiler } from '../support/objects.ts'

const MAY = parsePrivileges('CapEff:\t0000000000001000\n')
const TRANSPARENT = { annotations: { 'portald.io/source-address': 'transparent' } }

/** An `ip` that knows one interface, and rules for what port 8080 answers there. */
function routing(printed: Partial<Record<keyof IpRouting, string>> = {}): IpRouting {
  const print = (name: keyof IpRouting, json: string) => Promise.resolve({ json: printed[name] ?? json })
  return {
    rules: () => print('rules', '[{"priority":9,"src":"all","iif":"eth1","sport":8080,"table":"100"}]'),
    allLocalRoutes: () => print('allLocalRoutes', '[{"type":"2","dst":"default","dev":"lo","table":"100"}]'),
    waysTo: (_, ips) => print('waysTo', ips.map((ip) => `[{"dst":"${ip}","dev":"eth1"}]\n`).join('')),
  }
}

function snapshot(metadata: object) {
  const service = aService('web', { clusterIP: '10.96.0.1' }, metadata as typeof TRANSPARENT)
  return createCompiler().compile([service, aSlice('web', ['10.1.0.5', '10.1.0.6'])])
}

describe('what transparent Services have', () => {
  it('is nothing to look at where there is none', async () => {
    expect(await readTransparent(snapshot({}), 'native', MAY, routing())).toBeUndefined()
  })

  it('is looked at for each of their endpoints, one without a way among them', async () => {
    const found = await readTransparent(
      snapshot(TRANSPARENT),
      'native',
      MAY,
      routing({ waysTo: '[{"dst":"10.1.0.5","dev":"eth1"}]' }),
    )
    expect(found?.lacks).toBeUndefined()
    expect(found?.answers).toEqual([
      expect.objectContaining({ device: 'eth1', deliveredIf: [''] }),
      expect.objectContaining({ device: undefined, deliveredIf: [] }),
    ])
  })

  it('is the native engine and a capability, or not', async () => {
    const lack = async (engine: 'native' | 'node', status: string) =>
      (await readTransparent(snapshot(TRANSPARENT), engine, parsePrivileges(status), routing()))?.lacks
    expect(await lack('node', 'CapEff:\t0000000000001000\n')).toBe('the native engine is needed')
    expect(await lack('native', 'CapEff:\t0000000000000400\n')).toBe('CAP_NET_ADMIN is missing')
    expect(await lack('native', 'CapEff:\t0000000000002000\n')).toBeUndefined()
  })

  it('is not known where `ip` prints text', async () => {
    const found = await readTransparent(snapshot(TRANSPARENT), 'native', MAY, routing({ rules: '0:\tfrom all lookup local\n' }))
    expect(found?.answers).toEqual({ unknown: 'the program "ip" here is too old to print JSON' })
  })
})
