import { describe, expect, it } from 'vitest'
import { History } from '../../src/admin/ui/history.ts'
import { createSampler, SAMPLE_MS } from '../../src/admin/ui/sampler.ts'
import { registerUi } from '../../src/admin/ui/ui-routes.ts'
import type { TopRates } from '../../src/observe/status-rates.ts'
import { createPolicyWorld } from '../policy/policy-world.ts'
import { ask, openAdminWorld } from '../support/admin-world.ts'
import { inspectorOf } from '../support/inspected-world.ts'
import { aService, aSlice } from '../support/objects.ts'

const WEB = 'TCP/10.0.0.1:80'

/** What happened, with `begun` new sessions a second in all, and of each Service. */
function rates(begun: number, services: Readonly<Record<string, number>> = {}): Pick<TopRates, 'all' | 'services'> {
  const rest = { active: 0, bytesIn: 0, bytesOut: 0, errors: 0, failures: 0, p50Ms: undefined, p99Ms: 1.23456 }
  return {
    all: { ...rest, begun },
    services: Object.entries(services).map(([service, begun]) => ({ ...rest, service, begun, up: 1, endpoints: 1 })),
  }
}

describe('history', () => {
  it('keeps the newest samples, oldest first', () => {
    const history = new History(3, 10)
    for (let n = 1; n <= 5; n++) history.add(n * 1000, rates(n))
    expect(history.read()).toMatchObject({
      times: [3000, 4000, 5000],
      series: { begun: [3, 4, 5], p50Ms: [null, null, null], p99Ms: [1.235, 1.235, 1.235] },
    })
  })

  it('begins a Service where it came, and forgets it where it went', () => {
    const history = new History(3, 10)
    history.add(1000, rates(1))
    history.add(2000, rates(1, { web: 7 }))
    expect(history.read('web').series.begun).toEqual([null, 7])
    history.add(3000, rates(1))
    expect(history.read('web')).toMatchObject({ times: [], series: { begun: [] } })
    history.add(4000, rates(1, { web: 8 }))
    expect(history.read('web').series.begun).toEqual([null, null, 8])
  })

  it('keeps no more Services than it may', () => {
    const history = new History(3, 1)
    history.add(1000, rates(1, { first: 1, second: 2 }))
    expect([history.read('first').times, history.read('second').times]).toEqual([[1000], []])
    history.add(2000, rates(1, { second: 2 }))
    expect(history.read('second').series.begun).toEqual([null, 2])
  })
})

describe('sampler', () => {
  it('looks only from when somebody asks until nobody has for an hour', async () => {
    const world = createPolicyWorld()
    const { clock } = world
    await world.apply(aService('web'), aSlice('web', ['10.1.0.1']))
    const inspector = inspectorOf(world)
    let looks = 0
    const look = () => {
      looks++
      return inspector.status()
    }
    using sampler = createSampler(look, clock)
    clock.advance(60_000)
    expect(looks).toBe(0)
    expect(sampler.read()).toMatchObject({ times: [], latest: {}, intervalMs: SAMPLE_MS })
    expect(looks).toBe(1)
    for (let n = 0; n < 10; n++) world.dial(WEB, '192.0.2.1').connected().close('client-closed', { connectMs: 3 })
    clock.advance(SAMPLE_MS)
    const answer = sampler.read('default/web:/TCP')
    expect(answer).toMatchObject({ series: { begun: [2] }, latest: { 'default/web:/TCP': { begun: 2, errors: 0 } } })
    expect(sampler.read().series.p99Ms[0]).toBeGreaterThan(2)

    clock.advance(3_600_000 + 2 * SAMPLE_MS)
    const before = looks
    clock.advance(60_000)
    expect(looks).toBe(before)
    expect(sampler.read().times).toEqual([])
    expect(looks).toBe(before + 1)
  })
})

describe('page routes', () => {
  const LOOPBACK = { admin: ['127.0.0.1:20281'] }
  const asked = async (flags: object = {}) => {
    const world = await openAdminWorld({ ...LOOPBACK, ...flags }, { registrars: [registerUi] })
    await world.attach()
    return world
  }

  it('serve the page by a policy that lets nothing in or out, and say when nothing changed', async () => {
    await using world = await asked()
    const { code, headers, text } = await ask(world.port(), '/ui/')
    expect([code, headers['content-type'], headers['cache-control']]).toEqual([200, 'text/html; charset=utf-8', 'no-cache'])
    expect(headers['content-security-policy']).toContain("default-src 'none'; script-src 'self'")
    expect(text).not.toMatch(/<script(?![^>]*src=)|<style|\son\w+=|https?:/)
    for (const [, name] of text.matchAll(/(?:src|href)="([^"#]+)"/g)) {
      expect([name, (await ask(world.port(), `/ui/${name}`)).code]).toEqual([name, 200])
    }
    const again = await ask(world.port(), '/ui/', { headers: { 'if-none-match': String(headers.etag) } })
    expect([again.code, again.text]).toEqual([304, ''])
    expect((await ask(world.port(), '/ui')).headers.location).toBe('/ui/')
  })

  it('serve nothing but the page', async () => {
    await using world = await asked()
    const paths = [
      '/ui/tsconfig.json',
      '/ui/../ui-routes.ts',
      '/ui/..%2fui-routes.ts',
      '/ui/%2e%2e%2fhistory.ts',
      '/ui/constructor',
    ]
    for (const path of paths) expect([path, (await ask(world.port(), path)).code]).toEqual([path, 404])
  })

  it('say who asks, and whether it may do anything', async () => {
    await using world = await asked()
    expect((await ask(world.port(), '/portald/v1/caller')).json).toEqual({ name: 'local', mayWrite: true })
    await using reading = await asked({ admin: ['127.0.0.1:20282'], adminReadOnly: ['true'] })
    expect((await ask(reading.port(), '/portald/v1/caller')).json).toEqual({ name: 'local', mayWrite: false })
  })
})
