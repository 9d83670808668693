import { describe, expect, it } from 'vitest'
import { parseIperf3 } from '../../bench/tools/iperf3.ts'

describe('iperf3 output', () => {
  it('gives what was received, not what was sent', () => {
    const output = JSON.stringify({
      end: { sum_sent: { bytes: 9_000_000, seconds: 2 }, sum_received: { bytes: 8_000_000, seconds: 2 } },
    })
    expect(parseIperf3(output)).toEqual({ bytes: 8_000_000, seconds: 2, bytesPerSecond: 4_000_000 })
  })
  it('is refused with the reason that iperf3 gives', () => {
    expect(() => parseIperf3('{"end":{},"error":"unable to connect to server"}')).toThrow('iperf3: unable to connect to server')
  })
  it('is refused when nothing arrived', () => {
    expect(() => parseIperf3('{"end":{"sum_received":{"bytes":0,"seconds":5}}}')).toThrow('nothing arrived')
  })
  it('is refused when it is not JSON', () => {
    expect(() => parseIperf3('iperf3: parameter error')).toThrow('not JSON: iperf3: parameter error')
  })
})
