import { describe, expect, it } from 'vitest'
import type { Ip } from '../../src/model/keys.ts'
import { parseBatchErrors } from '../../src/vip/iproute.ts'
import { addingOf, isPresent, type Mark, markingOf, readLocalTable, unmakingOf } from '../../src/vip/marks.ts'

const ip = (text: string) => text as Ip

/** As `ip -N -json route show table local type local` prints it (iproute2 6.1). */
const FOUR = JSON.stringify([
  { type: 'local', dst: '10.96.0.10', dev: 'lo', protocol: '112', scope: '254', prefsrc: '192.0.2.1', metric: 11201, flags: [] },
  { type: 'local', dst: '10.97.0.0/24', dev: 'lo', protocol: '4', scope: '254', flags: [] },
  { type: 'local', dst: '127.0.0.0/8', dev: 'lo', protocol: '2', scope: '254', prefsrc: '127.0.0.1', flags: [] },
  { type: 'local', dst: '192.0.2.1', dev: 'eth0', protocol: '2', scope: '254', prefsrc: '192.0.2.1', flags: [] },
])
const SIX = JSON.stringify([
  { type: 'local', dst: '::1', dev: 'lo', protocol: '2', metric: 0, flags: [], pref: 'medium' },
  { type: 'local', dst: 'fd00::10', dev: 'lo', protocol: '2', metric: 0, flags: [], pref: 'medium' },
  { type: 'local', dst: 'fd00::10', dev: 'lo', protocol: '112', metric: 11302, flags: [], pref: 'medium' },
  { type: 'local', dst: 'fd00::11', dev: 'lo', protocol: '112', metric: 11302, flags: [], pref: 'medium' },
])

describe('the table of local routes', () => {
  it('tells what instances made from what others did', () => {
    const table = readLocalTable([FOUR, SIX])
    expect(table.marks).toEqual([
      { ip: '10.96.0.10', instance: 1, address: false },
      { ip: 'fd00::10', instance: 2, address: true },
      { ip: 'fd00::11', instance: 2, address: true },
    ])
    expect([...table.hosts]).toEqual([
      ['192.0.2.1', 'eth0'],
      ['::1', 'lo'],
    ])
    // Its address should be on lo, and is not.
    expect([...table.incomplete]).toEqual(['fd00::11'])
    expect(['10.97.0.9', '192.0.2.1', '10.96.0.10', '10.98.0.1'].map((one) => isPresent(table, ip(one)))).toEqual([
      true,
      true,
      false,
      false,
    ])
  })

  it('may be empty, as where there is no IPv6', () => {
    expect(readLocalTable(['', '[]\n'])).toMatchObject({ marks: [], ranges: [] })
  })

  it('holds nothing of ours that is on another interface, or has another protocol or metric', () => {
    const mine = { dst: '10.96.0.1', dev: 'lo', protocol: '112', metric: 11200 }
    const others = [{ dev: 'eth0' }, { protocol: '111' }, { metric: 11199 }, { metric: 11400 }, { metric: undefined }]
    const read = (entry: object) => readLocalTable([JSON.stringify([{ ...mine, ...entry }])]).marks.length
    expect([{}, ...others].map(read)).toEqual([1, 0, 0, 0, 0, 0])
  })

  it('is changed by commands that touch what they name, and nothing else', () => {
    const four: Mark = { ip: ip('10.96.0.1'), instance: 3, address: false }
    const six: Mark = { ip: ip('fd00::1'), instance: 3, address: true }
    expect(markingOf(four, ip('192.0.2.1'))).toBe(
      'route add local 10.96.0.1/32 dev lo table local proto 112 metric 11203 src 192.0.2.1',
    )
    expect([markingOf(six, undefined), addingOf(six)]).toEqual([
      'route add local fd00::1/128 dev lo table local proto 112 metric 11303',
      'addr add fd00::1/128 dev lo nodad preferred_lft 0',
    ])
    expect(unmakingOf(four, false)).toEqual(['route del local 10.96.0.1/32 dev lo table local proto 112 metric 11203'])
    expect(unmakingOf(six, false)).toEqual([
      'addr del fd00::1/128 dev lo',
      'route del local fd00::1/128 dev lo table local proto 112 metric 11303',
    ])
    expect(unmakingOf(six, true)).toEqual(['route del local fd00::1/128 dev lo table local proto 112 metric 11303'])
  })
})

describe('what ip says of a batch', () => {
  it('is read line by line, with the reason before the number', () => {
    const text = 'RTNETLINK answers: File exists\nCommand failed -:1\nError: Invalid prefsrc address.\nCommand failed -:12\n'
    expect([...parseBatchErrors(text)]).toEqual([
      [0, 'File exists'],
      [11, 'Invalid prefsrc address.'],
    ])
    expect(parseBatchErrors('ip: command not found\n').size).toBe(0)
  })
})
