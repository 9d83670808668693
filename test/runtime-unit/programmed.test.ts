import { expect, it } from 'vitest'
import { programmed } from '../../src/runtime/programmed.ts'
import { aService, aSlice, createCompiler, type Json, someEndpoints } from '../support/objects.ts'

const TIMES = { openedMs: Date.parse('2026-01-05T10:00:00Z'), nowMs: Date.parse('2026-01-05T10:00:09Z') }
const says = (object: Json, time: unknown): Json => ({
  ...object,
  metadata: { ...(object['metadata'] as Json), annotations: { 'endpoints.kubernetes.io/last-change-trigger-time': time } },
})
const web = aService('web')
const slice = (time: unknown, ip = '10.1.0.1') => says(aSlice('web', [ip]), time)

it('every changed endpoint object that says when its change happened is counted once', () => {
  const compiler = createCompiler()
  const first = compiler.compile([web, slice('2026-01-05T10:00:04Z')])
  expect(programmed(undefined, first, TIMES)).toEqual([{ latencyMs: 5000, family: 'IPv4' }])
  const other = slice('2026-01-05T10:00:08.5Z', '10.1.0.2')
  const second = compiler.compile([web, other])
  expect(programmed(first, second, TIMES)).toEqual([{ latencyMs: 500, family: 'IPv4' }])
  expect(programmed(second, compiler.compile([web, other]), TIMES)).toEqual([])
})

it('Endpoints say it too, and slices of IPv6 count as that', () => {
  const endpoints = says(
    someEndpoints('web', { addresses: [{ ip: '2001:db8::1' }], ports: [{ port: 80 }] }),
    '2026-01-05T10:00:08Z',
  )
  const snapshot = createCompiler().compile([aService('web', { clusterIP: '2001:db8:1::1' }), endpoints])
  expect(programmed(undefined, snapshot, TIMES)).toEqual([{ latencyMs: 1000, family: 'IPv6' }])
})

it('what happened before the proxy began, or at no time that can be read, is not counted', () => {
  for (const time of ['2026-01-05T09:59:59Z', 'soon', 7, undefined]) {
    const snapshot = createCompiler().compile([web, slice(time)])
    expect(snapshot.problems).toEqual([])
    expect(programmed(undefined, snapshot, TIMES)).toEqual([])
  }
})

it('a clock that is ahead of ours makes no negative latency', () => {
  const snapshot = createCompiler().compile([web, slice('2026-01-05T10:01:00Z')])
  expect(programmed(undefined, snapshot, TIMES)).toEqual([{ latencyMs: 0, family: 'IPv4' }])
})
