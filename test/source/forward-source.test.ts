import { describe, expect, it } from 'vitest'
import { manualClock } from '../../src/lib/clock.ts'
import { parseIp } from '../../src/model/address.ts'
import type { Ip, Port } from '../../src/model/keys.ts'
import { type ForwardPlan, openForwardSource } from '../../src/source/forward-source.ts'
import type { Source, SourceState } from '../../src/source/source.ts'

const ip = (text: string) => parseIp(text) as Ip
const port = (number: number) => number as Port

const PLAN: ForwardPlan = {
  protocol: 'TCP',
  listen: { ip: ip('127.0.0.1'), port: port(8080) },
  endpoints: [{ host: 'db.example', port: port(5432) }],
  affinityTimeoutMs: undefined,
}

function world(plan: Partial<ForwardPlan> = {}, names: Record<string, string[] | Error> = {}) {
  const clock = manualClock()
  const events: string[] = []
  const source = openForwardSource(
    { ...PLAN, ...plan },
    {
      clock,
      lookup: async (host) => {
        const found = names[host] ?? [host]
        if (found instanceof Error) throw found
        return found.map(ip)
      },
      localAddresses: () => ['127.0.0.1', '::1', '192.0.2.1'].map(ip),
      onResolved: (host, addresses) => events.push(`${host} is ${addresses.join()}`),
      onFailed: (host, reason, kept) => events.push(`${host} ${reason}, keeps ${kept.join()}`),
    },
  )
  return { clock, events, names, source }
}

async function* states(source: Source): AsyncGenerator<SourceState> {
  yield* source.watch(new AbortController().signal)
}

function addressesOf(state: SourceState | undefined): string[] {
  const slices = state?.objects
    .slice(1)
    .map((object) => object.value as { ports: { port: number }[]; endpoints: { addresses: string[] }[] })
  return slices?.flatMap((slice) => slice.endpoints.map((endpoint) => `${endpoint.addresses[0]}:${slice.ports[0]?.port}`)) ?? []
}

describe('forward source', () => {
  it('yields one Service and one slice per endpoint port', async () => {
    const endpoints = [
      { host: '127.0.0.1', port: port(9001) },
      { host: '127.0.0.2', port: port(9001) },
      { host: '127.0.0.1', port: port(9002) },
    ]
    const { source, events } = world({ endpoints, affinityTimeoutMs: 60_000 })
    const { value } = await states(source).next()
    const state = value as SourceState
    expect(state.synced).toBe(true)
    expect(state.objects[0]?.value).toMatchObject({
      kind: 'Service',
      metadata: { namespace: 'forward', name: 'tcp-8080' },
      spec: {
        externalIPs: ['127.0.0.1'],
        ports: [{ protocol: 'TCP', port: 8080 }],
        sessionAffinity: 'ClientIP',
        sessionAffinityConfig: { clientIP: { timeoutSeconds: 60 } },
      },
    })
    expect(addressesOf(state)).toEqual(['127.0.0.1:9001', '127.0.0.2:9001', '127.0.0.1:9002'])
    expect(events).toHaveLength(2)
    await source[Symbol.asyncDispose]()
  })

  it('resolves names again every 30 seconds and tells what changed', async () => {
    const { source, clock, names, events } = world({}, { 'db.example': ['10.0.0.2', '10.0.0.1', '2001:db8::1'] })
    const watch = states(source)
    const first = (await watch.next()).value as SourceState
    expect(addressesOf(first)).toEqual(['10.0.0.1:5432', '10.0.0.2:5432'])
    names['db.example'] = ['10.0.0.3']
    clock.advance(29_999)
    const next = watch.next()
    clock.advance(1)
    const second = (await next).value as SourceState
    expect(addressesOf(second)).toEqual(['10.0.0.3:5432'])
    expect(second.objects[0]).toBe(first.objects[0])
    expect(events).toEqual(['db.example is 10.0.0.1,10.0.0.2', 'db.example is 10.0.0.3'])
    await source[Symbol.asyncDispose]()
  })

  it('keeps the last addresses of a name that does not resolve', async () => {
    const { source, names, events } = world({}, { 'db.example': ['10.0.0.1'] })
    const watch = states(source)
    await watch.next()
    names['db.example'] = new Error('ENOTFOUND')
    const next = watch.next()
    source.refresh()
    expect(addressesOf((await next).value)).toEqual(['10.0.0.1:5432'])
    expect(events.at(-1)).toBe('db.example ENOTFOUND, keeps 10.0.0.1')
    await source[Symbol.asyncDispose]()
  })

  it('serves the other endpoints when one name has never resolved', async () => {
    const endpoints = [...PLAN.endpoints, { host: '127.0.0.1', port: port(9001) }]
    const { source, events } = world({ endpoints }, { 'db.example': ['2001:db8::1'] })
    const { value } = await states(source).next()
    expect(addressesOf(value as SourceState)).toEqual(['127.0.0.1:9001'])
    expect(events[0]).toBe('db.example has no IPv4 address, as 127.0.0.1:8080 needs, keeps ')
    await source[Symbol.asyncDispose]()
  })

  it('listens on every address of its family for an unspecified one', async () => {
    const { source } = world({ listen: { ip: ip('0.0.0.0'), port: port(80) } })
    const { value } = await states(source).next()
    expect((value as SourceState).objects[0]?.value).toMatchObject({
      spec: { externalIPs: ['127.0.0.1', '192.0.2.1'] },
    })
    await source[Symbol.asyncDispose]()
  })

  it('leaves no timer and ends its watches when disposed', async () => {
    const { source, clock } = world()
    const watch = states(source)
    await watch.next()
    const end = watch.next()
    await source[Symbol.asyncDispose]()
    expect((await end).done).toBe(true)
    expect(clock.pending).toBe(0)
  })
})
