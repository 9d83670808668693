import { describe, expect, it } from 'vitest'
import { parseConfiguration } from '../../src/model/config.ts'
import { DEFAULT_PARSE_OPTIONS, parseOptionsOf } from '../../src/model/parse-options.ts'

function of(flags: Readonly<Record<string, readonly string[]>>) {
  const config = parseConfiguration({ flags }, [])
  return config && parseOptionsOf(config)
}

describe('how objects are read', () => {
  it('has the same defaults with and without a configuration', () => {
    expect(of({})).toEqual(DEFAULT_PARSE_OPTIONS)
  })

  it('follows the configuration in what holds for Services that do not say', () => {
    const flags = {
      idleTimeout: ['1s'],
      halfCloseTimeout: ['2s'],
      udpTimeout: ['3s'],
      scheduler: ['lc'],
      checkProgram: ['a=/bin/true'],
    }
    expect(of(flags)?.defaults).toEqual({
      idleMs: 1000,
      halfCloseMs: 2000,
      udpIdleMs: 3000,
      scheduler: 'lc',
      checkPrograms: ['a'],
    })
  })
})
