import { describe, expect, it } from 'vitest'
import type { Privileges } from '../../src/lib/privileges.ts'
import { planVips, type VipFacts, vipModes } from '../../src/vip/vip-mode.ts'

const ALL: Privileges = { may: () => true, childMay: () => true }
const FACTS: VipFacts = { platform: 'linux', engine: 'native', privileges: ALL, iproute: { version: 'iproute2-6.1.0' } }

describe('the VIP mode', () => {
  it('is anyip by itself where the process may, and says what that rests on', () => {
    expect(planVips('auto', FACTS)).toEqual({ mode: 'anyip', reason: 'CAP_NET_ADMIN and iproute2-6.1.0' })
    expect(planVips('auto', { ...FACTS, engine: 'node' }).mode).toBe('anyip')
  })

  it.each<[string, Partial<VipFacts>]>([
    ['CAP_NET_ADMIN is missing', { privileges: { may: () => false, childMay: () => false } }],
    [
      'CAP_NET_ADMIN is not ambient, so the program "ip" would not have it',
      { privileges: { may: () => true, childMay: () => false } },
    ],
    ['no program "ip": spawn ip ENOENT', { iproute: { missing: 'no program "ip": spawn ip ENOENT' } }],
    ['needs Linux, this is "darwin"', { platform: 'darwin' }],
  ])('is present by itself where it may not: %s', (reason, facts) => {
    expect(planVips('auto', { ...FACTS, ...facts })).toEqual({ mode: 'present', reason: `anyip is not possible: ${reason}` })
    expect(() => planVips('anyip', { ...FACTS, ...facts })).toThrow(
      expect.objectContaining({
        code: 'E_VIP_MODE',
        message: `--vip-mode anyip: ${reason}; leave it at auto, or see docs/vips.md`,
      }),
    )
  })

  it('is the one that was asked for, or none', () => {
    expect(planVips('freebind', FACTS)).toEqual({ mode: 'freebind', reason: 'it was asked for' })
    expect(planVips('present', { ...FACTS, platform: 'darwin', engine: 'node' }).mode).toBe('present')
    expect(() => planVips('freebind', { ...FACTS, engine: 'node' })).toThrow('--vip-mode freebind: needs the native engine')
  })

  it('can be asked which of them are possible', () => {
    expect(vipModes(FACTS).map(({ mode, possible }) => [mode, possible])).toEqual([
      ['anyip', true],
      ['freebind', true],
      ['present', true],
    ])
    expect(vipModes({ ...FACTS, engine: 'node', iproute: { missing: 'nowhere' } })).toEqual([
      { mode: 'anyip', possible: false, reason: 'nowhere' },
      { mode: 'freebind', possible: false, reason: 'needs the native engine' },
      { mode: 'present', possible: true, reason: 'needs nothing' },
    ])
  })
})
