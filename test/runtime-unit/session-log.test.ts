import { describe, expect, it } from 'vitest'
import { Ledger } from '../../src/balancer/ledger.ts'
import { manualClock } from '../../src/lib/clock.ts'
import type { EndpointKey, ServicePortKey } from '../../src/model/keys.ts'
import type { SessionRecord } from '../../src/model/session.ts'
import { createSharedState } from '../../src/model/shared-layout.ts'
import type { Route } from '../../src/model/snapshot.ts'
import { RecordWriter } from '../../src/observe/records.ts'
import { SessionLog } from '../../src/runtime/session-log.ts'
import { clientAddress } from '../support/scripted-client.ts'
import { scriptedRandom } from '../support/scripted-random.ts'

const WEB = 'default/web:/TCP' as ServicePortKey
const E1 = '10.1.0.1:80/TCP' as EndpointKey

const route = {
  key: 'TCP/10.0.0.1:80',
  address: { ip: '10.0.0.1', port: 80 },
  port: { key: WEB, protocol: 'TCP' },
  service: { options: { scheduler: 'rr' } },
} as unknown as Route

function createWorld(rows = 2, every = 1) {
  const shared = createSharedState({ rows, serviceSlots: 4, endpointSlots: 8, affinityEntries: 32, recordsPerRing: 4 })
  const ledger = new Ledger(shared, scriptedRandom())
  const service = ledger.serviceSlot(WEB) as number
  const lease = ledger.endpointSlot(WEB, E1) as number
  const clock = manualClock()
  const taken: SessionRecord[] = []
  const steps: string[] = []
  const log = new SessionLog(
    shared,
    ledger,
    clock,
    {
      take: (record) => {
        taken.push(record)
        steps.push(`take ${record.id}`)
      },
      tellsOf: (id, end) => id % every === 0 || end !== 'client-closed',
    },
    () => steps.push('drained'),
  )
  const writers = shared.records.map((buffer) => new RecordWriter(buffer))
  let id = 0
  return {
    clock,
    log,
    taken,
    steps,
    ledger,
    lease,
    end(
      { row = 0, serviceSlot = service, client = '192.0.2.1', ...facts } = {} as Record<string, unknown> & { row?: number },
    ): void {
      const whole = {
        id: ++id,
        listener: 1,
        client: clientAddress(client as string, 40_000),
        lease,
        attempts: 1,
        end: 'client-closed' as const,
        startedMs: 100,
        endedMs: 350,
        connectMs: 5,
        bytesFromClient: 1,
        bytesFromEndpoint: 2,
        datagramsFromClient: 0,
        datagramsFromEndpoint: 0,
        ...facts,
      }
      writers[row]?.write(whole as never, serviceSlot as number, 1_700_000_000_100)
    },
  }
}

describe('session log', () => {
  it('gives an ended session its names back', () => {
    const world = createWorld()
    world.log.opened(1, route)
    world.end()
    world.log.drain()
    expect(world.taken).toEqual([
      {
        id: 1,
        startedAtMs: 1_700_000_000_100,
        durationMs: 250,
        connectMs: 5,
        client: '192.0.2.1:40000',
        local: '10.0.0.1:80',
        service: 'default/web:/TCP',
        endpoint: '10.1.0.1:80/TCP',
        protocol: 'TCP',
        scheduler: 'rr',
        attempts: 1,
        bytesFromClient: 1,
        bytesFromEndpoint: 2,
        datagramsFromClient: 0,
        datagramsFromEndpoint: 0,
        end: 'client-closed',
      },
    ])
  })

  it('names only the sessions that somebody wants to be told of', () => {
    const world = createWorld(2, 3)
    world.log.opened(1, route)
    for (let n = 0; n < 3; n++) world.end()
    world.end({ end: 'endpoint-reset' })
    world.log.drain()
    expect(world.taken.map(({ id, end }) => `${id} ${end}`)).toEqual(['3 client-closed', '4 endpoint-reset'])
  })

  it('leaves out what never was: an endpoint, a connect time, a Service', () => {
    const world = createWorld()
    world.log.opened(1, route)
    world.end({ lease: -1, connectMs: -1, end: 'denied', client: '2001:db8::7' })
    world.end({ lease: -1, connectMs: -1, end: 'no-endpoint', serviceSlot: -1, listener: 9 })
    world.log.drain()
    expect(world.taken[0]).toMatchObject({ client: '[2001:db8::7]:40000', service: WEB, end: 'denied' })
    expect([world.taken[0]?.endpoint, world.taken[0]?.connectMs]).toEqual([undefined, undefined])
    expect(world.taken[1]).toMatchObject({ service: '', local: '', end: 'no-endpoint' })
  })

  it('names the Service of the endpoint, where the listener has gone over to another one', () => {
    const world = createWorld()
    const other = world.ledger.serviceSlot('default/other:/TCP' as ServicePortKey)
    world.log.opened(1, route)
    world.end({ serviceSlot: other })
    world.log.drain()
    expect(world.taken[0]?.service).toBe(WEB)
  })

  it('reads the rings of all threads, ten times a second, and says when they are empty', () => {
    const world = createWorld()
    world.end({ row: 0 })
    world.end({ row: 1 })
    world.end({ row: 1 })
    world.clock.advance(99)
    expect(world.steps).toEqual([])
    world.clock.advance(1)
    expect(world.steps).toEqual(['take 1', 'take 2', 'take 3', 'drained'])
    world.clock.advance(100)
    expect(world.steps.slice(4)).toEqual(['drained'])
  })

  it('knows a listener that was closed, for sessions that outlive it', () => {
    const world = createWorld()
    world.log.opened(1, route)
    world.log.closed(1)
    world.end()
    world.log.drain()
    expect(world.taken[0]?.local).toBe('10.0.0.1:80')
  })

  it('forgets listeners that were closed very long ago', () => {
    const world = createWorld()
    for (let listener = 1; listener <= 10_002; listener++) {
      world.log.opened(listener, route)
      world.log.closed(listener)
    }
    world.end({ listener: 2 })
    world.end({ listener: 3 })
    world.log.drain()
    expect(world.taken.map(({ local }) => local)).toEqual(['', '10.0.0.1:80'])
  })

  it('counts records that nobody read in time', () => {
    const world = createWorld()
    for (let n = 0; n < 6; n++) world.end({ row: 1 })
    expect(world.log.dropped()).toBe(2)
    world.log.drain()
    expect(world.taken).toHaveLength(4)
  })

  it('reads the last records when it is disposed, and leaves no timer', () => {
    const world = createWorld()
    world.end()
    world.log[Symbol.dispose]()
    expect(world.taken).toHaveLength(1)
    expect(world.clock.pending).toBe(0)
  })
})
