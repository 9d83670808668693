import { describe, expect, it } from 'vitest'
import { parseWrk, parseWrkDurationMs } from '../../bench/tools/wrk.ts'

const CLEAN = `Running 2s test @ http://127.9.9.1:20080/
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency   394.30us   63.17us   1.01ms   87.78%
    Req/Sec   128.03k     2.87k  134.44k    70.00%
  Latency Distribution
     50%  405.00us
     75%  427.00us
     90%  446.00us
     99%    1.61ms
  254523 requests in 2.00s, 36.41MB read
Requests/sec: 127198.73
Transfer/sec:     18.20MB
`

const TROUBLED = `  Latency Distribution
     50%    1.20s
     99%    1.50m
  100 requests in 1.00m, 1.00MB read
  Socket errors: connect 1, read 20, write 300, timeout 4000
  Non-2xx or 3xx responses: 7
Requests/sec:      1.67
`

describe('wrk output', () => {
  it('gives requests, rate and quantiles in milliseconds', () => {
    expect(parseWrk(CLEAN)).toEqual({
      requests: 254_523,
      seconds: 2,
      perSecond: 127_261.5,
      p50Ms: 0.405,
      p99Ms: 1.61,
      badAnswers: 0,
      socketErrors: 0,
    })
  })
  it('gives errors of every kind', () => {
    expect(parseWrk(TROUBLED)).toMatchObject({ seconds: 60, p50Ms: 1200, p99Ms: 90_000, badAnswers: 7, socketErrors: 4321 })
  })
  it('is refused when it has no result', () => {
    expect(() => parseWrk('unable to connect to 127.0.0.1:1 Connection refused\n')).toThrow('wrk: no result')
  })
  it.each([
    ['488.00us', 0.488],
    ['1.61ms', 1.61],
    ['2.00s', 2000],
    ['1.50m', 90_000],
    ['1.00h', 3_600_000],
    ['5', undefined],
    ['nan', undefined],
  ])('reads the duration %s', (text, milliseconds) => {
    const parsed = parseWrkDurationMs(text)
    if (milliseconds === undefined) expect(parsed).toBeUndefined()
    else expect(parsed).toBeCloseTo(milliseconds, 6)
  })
})
