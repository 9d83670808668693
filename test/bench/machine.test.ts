import { describe, expect, it } from 'vitest'
import { divideCores } from '../../bench/lab.ts'
import { parseCoresNs, parseStatCpuNs } from '../../bench/proc.ts'
import { serviceObjects } from '../../bench/subjects/portald.ts'

describe('CPU time of a process', () => {
  it('is read past a command name with blanks and brackets', () => {
    const stat = `7 (a b) c) S 1 7 7 0 -1 4194304 100 0 0 0 250 75 9 9 20 0 11 0 100 1 1`
    expect(parseStatCpuNs(stat)).toEqual({ userNs: 2_500_000_000, systemNs: 750_000_000 })
  })
})

describe('busy time of cores', () => {
  const STAT =
    'cpu  9 9 9 9 9 9 9 9\ncpu0 10 1 20 1000 50 2 3 4 0 0\ncpu1 100 0 0 500 0 0 0 0 0 0\ncpu10 7 0 0 0 0 0 0 0 0 0\nintr 5\n'
  it('leaves out idleness and waiting, and tells what was stolen', () => {
    expect(parseCoresNs(STAT, [0])).toEqual({ busyNs: 360_000_000, stolenNs: 40_000_000 })
  })
  it('is summed over the cores asked for and no others', () => {
    expect(parseCoresNs(STAT, [0, 1]).busyNs).toBe(1_360_000_000)
    expect(parseCoresNs(STAT, [99]).busyNs).toBe(0)
  })
})

describe('division of the cores', () => {
  it('gives the proxy as many as it has workers and load the rest', () => {
    expect(divideCores(8, 2, true)).toMatchObject({ proxyPin: '0,1', loadPin: '2,3,4,5,6,7', loadThreads: 3 })
  })
  it('leaves one for load', () => {
    expect(divideCores(2, 4, true)).toMatchObject({ proxyPin: '0', loadPin: '1', loadThreads: 1 })
  })
  it('shares all where nothing can be pinned', () => {
    expect(divideCores(2, 1, false)).toMatchObject({ proxy: [0, 1], load: [0, 1], proxyPin: undefined, loadPin: undefined })
  })
})

describe('generated objects', () => {
  it('are one Service and one EndpointSlice a listener', () => {
    const endpoints = [
      { ip: '127.1.250.1', port: 20_080 },
      { ip: '127.1.250.2', port: 20_080 },
    ]
    const plan = (ip: string) => ({ protocol: 'udp' as const, local: { ip, port: 21_000 }, endpoints })
    const documents = serviceObjects([plan('127.1.0.1'), plan('127.1.0.2')]).split('---\n')
    expect(documents.map((document) => /^kind: (.*)$/m.exec(document)?.[1])).toEqual([
      'Service',
      'EndpointSlice',
      'Service',
      'EndpointSlice',
    ])
    expect(documents[2]).toContain('clusterIP: 127.1.0.2')
    expect(documents[3]?.match(/127\.1\.250\./g)).toHaveLength(2)
  })
})
