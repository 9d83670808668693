import { describe, expect, it } from 'vitest'
import { orderOfRound, type ScenarioResult, type SubjectResult } from '../../bench/matrix.ts'
import { bestPeer, scenarioText } from '../../bench/report.ts'

const subject = (name: string, cpu: (number | undefined)[], rest: Partial<SubjectResult> = {}): SubjectResult => ({
  name,
  series: { cpu },
  failures: [],
  remarks: [],
  ...rest,
})

const scenario = (subjects: SubjectResult[]): ScenarioResult => ({
  name: 'keep-alive',
  title: 'requests',
  setting: 'wrk',
  metrics: [{ key: 'cpu', title: 'µs CPU/request' }],
  peers: ['haproxy', 'haproxy-splice'],
  subjects,
})

const text = (subjects: SubjectResult[], baseline?: string) =>
  scenarioText(scenario(subjects), { rounds: 2, baseline }, 120).join('\n')

describe('the peer that ratios are to', () => {
  it('is the one with the lower median', () => {
    expect(bestPeer(scenario([subject('haproxy', [10, 12]), subject('haproxy-splice', [9, 9])]))).toBe('haproxy-splice')
  })
  it('is the one that ran', () => {
    expect(bestPeer(scenario([subject('haproxy', [10]), subject('haproxy-splice', [])]))).toBe('haproxy')
    expect(bestPeer(scenario([subject('ours-node', [10])]))).toBeUndefined()
  })
})

describe('report of a scenario', () => {
  it('shows median, least and most, and ratios within rounds', () => {
    const shown = text([subject('ours-node', [10, 30]), subject('haproxy', [20, 40])])
    expect(shown).toContain('÷ haproxy')
    expect(shown).toMatch(/ours-node +20\.0 \(10\.0–30\.0\) +0\.63 \(0\.50–0\.75\)/)
  })
  it('names a subject that is not there, and why', () => {
    expect(text([{ ...subject('nginx', []), series: {}, absent: 'not installed: nginx' }])).toMatch(/nginx +not installed: nginx/)
  })
  it('counts the rounds that are there and names those that failed', () => {
    const shown = text([subject('haproxy', [20, undefined], { failures: [{ round: 2, message: 'iperf3: nothing arrived' }] })])
    expect(shown).toMatch(/haproxy +20\.0 +1\.00/)
    expect(shown).toContain('! haproxy, round 2 of 2 FAILED: iperf3: nothing arrived')
  })
  it('says so when every round failed', () => {
    const failed = { ...subject('haproxy', []), series: {}, failures: [{ round: 1, message: 'ended' }] }
    expect(text([failed])).toMatch(/haproxy +FAILED: ended/)
  })
  it('tells how busy others kept the core of the proxy', () => {
    const noisy = { ...subject('haproxy', [1, 1]), series: { cpu: [1, 1], othersPercent: [2, 33] } }
    expect(text([noisy])).toContain("others used more than 10 % of the proxy's core in 1 of 2 trials (up to 33 %)")
  })
  it('divides by the same subject of another tree where there is one', () => {
    const shown = text([subject('ours-node', [8, 8]), subject('ours-node@1a2b3c', [10, 10])], '1a2b3c')
    expect(shown).toContain('÷ 1a2b3c')
    expect(shown).toMatch(/ours-node +8\.00 \(8\.00–8\.00\) +0\.80/)
  })
})

describe('order of a round', () => {
  it('is the same in each round, or reversed in every second one', () => {
    const order = (round: number, reverse: boolean) => orderOfRound(['a', 'b', 'c'], round, reverse).join('')
    expect([order(0, false), order(1, false), order(0, true), order(1, true)]).toEqual(['abc', 'abc', 'abc', 'cba'])
  })
})
