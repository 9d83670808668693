import { describe, expect, it } from 'vitest'
import { parsePrivileges, readPrivileges } from '../../src/lib/privileges.ts'

const ADMIN = '0000000000001000'
const NONE = '0000000000000000'

function status({ uid = 1000, eff = NONE, bnd = NONE, amb = NONE }): string {
  return `Name:\tnode\nUid:\t${uid}\t${uid}\t${uid}\t${uid}\nCapInh:\t${NONE}\nCapPrm:\t${eff}\nCapEff:\t${eff}\nCapBnd:\t${bnd}\nCapAmb:\t${amb}\n`
}

describe('privileges', () => {
  it('of root are handed on to the programs it starts, as far as they go', () => {
    const root = parsePrivileges(status({ uid: 0, eff: ADMIN, bnd: ADMIN }))
    expect([root.may('CAP_NET_ADMIN'), root.childMay('CAP_NET_ADMIN')]).toEqual([true, true])
    expect([root.may('CAP_NET_RAW'), root.childMay('CAP_NET_RAW')]).toEqual([false, false])
    expect(parsePrivileges(status({ uid: 0, eff: NONE, bnd: ADMIN })).childMay('CAP_NET_ADMIN')).toBe(false)
  })

  it('of others are handed on only if they are ambient', () => {
    const plain = parsePrivileges(status({ eff: ADMIN, bnd: ADMIN }))
    expect([plain.may('CAP_NET_ADMIN'), plain.childMay('CAP_NET_ADMIN')]).toEqual([true, false])
    expect(parsePrivileges(status({ eff: ADMIN, bnd: ADMIN, amb: ADMIN })).childMay('CAP_NET_ADMIN')).toBe(true)
  })

  it('are none where the system tells nothing', () => {
    expect(parsePrivileges('').may('CAP_NET_ADMIN')).toBe(false)
    expect(typeof readPrivileges().may('CAP_NET_ADMIN')).toBe('boolean')
  })
})
