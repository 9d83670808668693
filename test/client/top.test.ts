import { describe, expect, it } from 'vitest'
import { FIRST_CHOICE, pressKey, showTop, type TopChoice } from '../../src/cli/client/top-view.ts'
import { ratesBetween } from '../../src/observe/status-rates.ts'
import { createPolicyWorld } from '../policy/policy-world.ts'
import { inspectorOf } from '../support/inspected-world.ts'
import { aService, aSlice } from '../support/objects.ts'

const WEB = 'TCP/10.0.0.1:80'
const DNS = 'TCP/10.0.0.2:53'
const SIZE = { width: 80, height: 24 }

/** Two seconds in which something happened. */
async function twoSeconds() {
  const world = createPolicyWorld()
  world.clock.advance(10_000)
  await world.apply(
    aService('web'),
    aSlice('web', ['10.1.0.1', '10.1.0.2']),
    aService('a-service-with-a-very-long-name-indeed', { clusterIP: '10.0.0.2', ports: [{ port: 53 }] }),
    aSlice('a-service-with-a-very-long-name-indeed', ['10.1.0.3']),
  )
  world.dial(WEB, '192.0.2.1').connected().close('client-closed', { bytesFromClient: 1e9, connectMs: 4_000 })
  const before = inspectorOf(world).status()
  for (let n = 0; n < 10; n++)
    world.dial(WEB, '192.0.2.1').connected().close('client-closed', { bytesFromClient: 100, connectMs: 3 })
  world.dial(WEB, '192.0.2.1').refused().connected().close('endpoint-reset', { bytesFromEndpoint: 4_000, connectMs: 90 })
  world.dial(DNS, '192.0.2.1').connected()
  world.clock.advance(2_000)
  return ratesBetween(before, inspectorOf(world).status())
}

const press = (keys: string, from: TopChoice = FIRST_CHOICE) =>
  keys.split(' ').reduce<TopChoice | undefined>((choice, key) => choice && pressKey(choice, key), from)

describe('top', () => {
  it('shows what happened since the last look, each second', async () => {
    const { services } = await twoSeconds()
    expect(services[0]).toMatchObject({
      service: 'default/web:/TCP',
      begun: 5.5,
      bytesIn: 500,
      bytesOut: 2_000,
      errors: 0.5,
      failures: 0.5,
    })
    // Sessions of before do not matter: eleven were connected, ten of them in two to five milliseconds.
    expect(services[0]?.p50Ms).toBeLessThanOrEqual(5)
    expect(services[0]?.p99Ms).toBeGreaterThan(50)
  })

  it('counts from nothing where the process began anew', async () => {
    const rates = await twoSeconds()
    const later = {
      ...rates.now,
      services: rates.now.services.map((service) => ({ ...service, sessions: { active: 0, total: 0 } })),
    }
    expect(ratesBetween(rates.now, later).services.map(({ begun }) => begun)).toEqual([0, 0])
  })

  it('fits a terminal of 80 columns, and any other', async () => {
    const rates = await twoSeconds()
    const services = showTop(rates, FIRST_CHOICE, SIZE)
    const endpoints = showTop(rates, { ...FIRST_CHOICE, rows: 'endpoints', sort: 'failures' }, SIZE)
    await expect(`${services.join('\n')}\n\n${endpoints.join('\n')}\n`).toMatchFileSnapshot('../golden/status/top.txt')
    for (const line of [...services, ...endpoints]) expect(line.length, line).toBeLessThanOrEqual(80)
    for (const size of [
      { width: 40, height: 6 },
      { width: 200, height: 7 },
    ]) {
      const small = showTop(rates, { ...FIRST_CHOICE, rows: 'endpoints' }, size)
      expect(small.length).toBeLessThanOrEqual(size.height)
      for (const line of small) expect(line.length, line).toBeLessThanOrEqual(size.width)
    }
  })

  it('sorts, filters and scrolls by keys', async () => {
    const rates = await twoSeconds()
    const rows = (choice: TopChoice) =>
      showTop(rates, choice, SIZE)
        .slice(4, -1)
        .map((line) => line.split(/ {2,}/)[0])
    expect(rows(FIRST_CHOICE)[0]).toContain('a-ser')
    expect(rows(press('s') as TopChoice)[0]).toBe('default/web:/TCP')
    const found = press('/ w e x \x7f b \r') as TopChoice
    expect([found.filter, found.typing]).toEqual(['web', false])
    expect(rows(found)).toEqual(['default/web:/TCP'])
    expect(rows(press('\x1b', found) as TopChoice)).toHaveLength(2)
    expect(rows(press('e') as TopChoice)).toHaveLength(3)
    expect(press('j j k')?.from).toBe(1)
    expect(press('j')?.rows).toBe('services')
    expect(showTop(rates, { ...FIRST_CHOICE, from: 99 }, { width: 80, height: 6 })[4]).toBe(showTop(rates, FIRST_CHOICE, SIZE)[5])
    expect([press('q'), press('\x03'), press('/ \x03')]).toEqual([undefined, undefined, undefined])
    expect(press('/ q')?.filter).toBe('q')
  })

  it('says what is wrong before anything else', async () => {
    const rates = await twoSeconds()
    const now = {
      ...rates.now,
      sources: [{ name: '/etc/portald', state: 'failed' as const, objects: 0, error: 'gone' }],
      listeners: [{ listener: 'TCP/10.0.0.1:80', kind: 'clusterIP' as const, service: 'x', state: 'failed' as const }],
    }
    expect(showTop({ ...rates, now }, FIRST_CHOICE, SIZE)[2]).toBe('! cannot read /etc/portald; cannot listen on TCP/10.0.0.1:80')
  })
})
