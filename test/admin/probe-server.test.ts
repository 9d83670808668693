import { createServer } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import {
  openProbeServers,
  type ProbeServers,
  type ProbeServersOptions,
  parseListenAddress,
} from '../../src/admin/probe-server.ts'
import { answerProbe, type ProbeState } from '../../src/health/probe-answers.ts'
import { manualClock } from '../../src/lib/clock.ts'
import { createLogger } from '../../src/observe/logger.ts'

const READY: ProbeState = {
  ready: true,
  draining: false,
  missing: [],
  nodeEligible: true,
  healthy: true,
  families: { IPv4: { lastUpdatedMs: 1_700_000_000_000, healthy: true }, IPv6: { lastUpdatedMs: undefined, healthy: true } },
}
const NOW_MS = 1_700_000_100_000
const NOW = '2023-11-14T22:15:00.000Z'
const UPDATED = '2023-11-14T22:13:20.000Z'

describe('answer to a health check', () => {
  it('of a fresh proxy on an eligible node is 200 and updated just now', () => {
    expect(answerProbe('/healthz', READY, NOW_MS)).toEqual({
      code: 200,
      body: {
        lastUpdated: NOW,
        currentTime: NOW,
        nodeEligible: true,
        healthy: true,
        status: {
          IPv4: { lastUpdated: UPDATED, healthy: true },
          IPv6: { lastUpdated: '0001-01-01T00:00:00Z', healthy: true },
        },
      },
    })
  })

  it('of a proxy that is behind is 503, with the time of the last change in force', () => {
    const state = { ...READY, healthy: false, families: { IPv4: { lastUpdatedMs: 1_700_000_000_000, healthy: false } } }
    expect(answerProbe('/livez', state, NOW_MS)).toEqual({
      code: 503,
      body: {
        lastUpdated: UPDATED,
        currentTime: NOW,
        healthy: false,
        status: { IPv4: { lastUpdated: UPDATED, healthy: false } },
      },
    })
    expect(answerProbe('/healthz', state, NOW_MS).code).toBe(503)
  })

  it.each([
    ['on a node about to go', { nodeEligible: false }],
    ['of a draining proxy', { draining: true }],
  ])('%s fails /healthz but not /livez', (_name, change) => {
    const answer = answerProbe('/healthz', { ...READY, ...change }, NOW_MS)
    expect(answer).toMatchObject({ code: 503, body: { nodeEligible: false, healthy: true, lastUpdated: UPDATED } })
    expect(answerProbe('/livez', { ...READY, ...change }, NOW_MS).code).toBe(200)
    expect(answerProbe('/livez', { ...READY, ...change }, NOW_MS).body).not.toHaveProperty('nodeEligible')
  })

  it('about readiness says what is missing', () => {
    const state = { ...READY, ready: false, missing: ['source a.yaml has not loaded'] }
    expect(answerProbe('/readyz', state, NOW_MS)).toEqual({
      code: 503,
      body: { ready: false, draining: false, missing: ['source a.yaml has not loaded'] },
    })
    expect(answerProbe('/readyz', READY, NOW_MS).code).toBe(200)
    expect(answerProbe('/readyz', { ...READY, draining: true }, NOW_MS)).toMatchObject({
      code: 503,
      body: { ready: false, draining: true },
    })
  })
})

describe('listen address', () => {
  it.each([
    ['127.0.0.1:10249', { host: '127.0.0.1', port: 10249 }],
    ['[::]:10256', { host: '::', port: 10256 }],
    ['[fe80::1%eth0]:1', { host: 'fe80::1%eth0', port: 1 }],
    ['localhost:0', { host: 'localhost', port: 0 }],
    [':10256', { host: '::', port: 10256 }],
  ])('%s is understood', (text, expected) => {
    expect(parseListenAddress(text)).toEqual(expected)
  })

  it.each(['10249', '127.0.0.1', '::1:80', '127.0.0.1:65536', '127.0.0.1:http', '[::1]'])('%s is refused', (text) => {
    expect(() => parseListenAddress(text)).toThrow(expect.objectContaining({ code: 'E_CONFIG' }))
  })
})

describe('probe servers', () => {
  let state: ProbeState
  let servers: ProbeServers | undefined
  let events: Record<string, unknown>[]
  const clock = manualClock(NOW_MS)
  const probed = vi.fn()

  beforeEach(() => {
    state = READY
    events = []
    probed.mockClear()
  })
  afterEach(async () => {
    await servers?.[Symbol.asyncDispose]()
    servers = undefined
  })

  async function open(more: Partial<ProbeServersOptions>): Promise<{ healthz: string; metrics: string }> {
    servers = await openProbeServers({
      health: () => state,
      metrics: { contentType: 'text/plain; version=0.0.4; charset=utf-8', scrape: async () => 'up 1\n' },
      proxyMode: 'userspace',
      onProbe: probed,
      clock,
      random: { below: (below) => below - 1 },
      logger: createLogger({ level: 'info', stream: { write: (line) => void events.push(JSON.parse(line)) } }),
      ...more,
    })
    const { healthz, metrics } = servers.addresses()
    return { healthz: `http://127.0.0.1:${healthz?.port}`, metrics: `http://127.0.0.1:${metrics?.port}` }
  }

  /** Sends bytes and returns everything that comes back until the server closes. */
  function raw(url: string, bytes: string): Promise<string> {
    const socket = connect(Number(new URL(url).port), '127.0.0.1')
    let text = ''
    socket.setEncoding('latin1').on('data', (chunk) => {
      text += chunk
    })
    socket.write(bytes)
    return new Promise((resolve) => socket.on('close', () => resolve(text)).on('error', () => {}))
  }

  it('answer health checks on both addresses', async () => {
    const { healthz, metrics } = await open({ healthzAddress: '127.0.0.1:0', metricsAddress: '127.0.0.1:0' })
    for (const url of [healthz, metrics]) {
      for (const path of ['/healthz', '/livez', '/readyz']) {
        const response = await fetch(url + path)
        expect(response.status).toBe(200)
        expect(response.headers.get('content-type')).toBe('application/json')
        expect(response.headers.get('x-content-type-options')).toBe('nosniff')
        await response.json()
      }
    }
    expect(probed.mock.calls).toEqual([
      ['/healthz', 200],
      ['/livez', 200],
      ['/healthz', 200],
      ['/livez', 200],
    ])
  })

  it('ask for the state at every check', async () => {
    const { healthz } = await open({ healthzAddress: '127.0.0.1:0' })
    expect((await fetch(`${healthz}/readyz`)).status).toBe(200)
    state = { ...READY, draining: true }
    expect((await fetch(`${healthz}/readyz`)).status).toBe(503)
    expect((await fetch(`${healthz}/healthz`)).status).toBe(503)
    expect(probed).toHaveBeenLastCalledWith('/healthz', 503)
  })

  it('answer /metrics and /proxyMode on the metrics address only', async () => {
    const { healthz, metrics } = await open({ healthzAddress: '127.0.0.1:0', metricsAddress: '127.0.0.1:0' })
    const response = await fetch(`${metrics}/metrics`)
    expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8')
    expect(await response.text()).toBe('up 1\n')
    expect(await (await fetch(`${metrics}/proxyMode`)).text()).toBe('userspace')
    for (const path of ['/metrics', '/proxyMode', '/']) expect((await fetch(healthz + path)).status).toBe(404)
  })

  it('serve everything on one address when both are the same', async () => {
    const probe = createServer()
    await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve))
    const { port } = probe.address() as AddressInfo
    await new Promise((resolve) => probe.close(resolve))
    const { healthz, metrics } = await open({ healthzAddress: `127.0.0.1:${port}`, metricsAddress: `127.0.0.1:${port}` })
    expect(healthz).toBe(metrics)
    expect((await fetch(`${healthz}/metrics`)).status).toBe(200)
    expect((await fetch(`${healthz}/healthz`)).status).toBe(200)
  })

  it('are off where the address is empty', async () => {
    await open({ healthzAddress: '', metricsAddress: undefined })
    expect(servers?.addresses()).toEqual({ healthz: undefined, metrics: undefined })
  })

  it('answer HEAD without a body', async () => {
    const { metrics } = await open({ metricsAddress: '127.0.0.1:0' })
    for (const path of ['/healthz', '/metrics']) {
      const response = await fetch(metrics + path, { method: 'HEAD' })
      expect(response.status).toBe(200)
      expect(Number(response.headers.get('content-length'))).toBeGreaterThan(0)
      expect(await response.text()).toBe('')
    }
  })

  it('serve a checker that speaks HTTP/1.0 without a Host header, and close', async () => {
    const { healthz } = await open({ healthzAddress: '127.0.0.1:0' })
    const text = await raw(healthz, 'GET /healthz HTTP/1.0\r\n\r\n')
    expect(text).toMatch(/^HTTP\/1\.1 200 OK\r\n/)
    expect(text).toContain('"healthy":true')
  })

  it('take no other method, no body and no long headers', async () => {
    const { healthz } = await open({ healthzAddress: '127.0.0.1:0' })
    expect((await fetch(`${healthz}/healthz`, { method: 'POST', body: 'x'.repeat(1000) })).status).toBeGreaterThanOrEqual(400)
    expect((await fetch(`${healthz}/healthz`, { method: 'DELETE' })).status).toBe(405)
    const text = await raw(healthz, `GET /healthz HTTP/1.1\r\nHost: x\r\nX-Long: ${'x'.repeat(10_000)}\r\n\r\n`)
    expect(text).toMatch(/^HTTP\/1\.1 431 /)
  })

  it('answer 500 without details when metrics cannot be read', async () => {
    const scrape = async () => {
      throw new TypeError('secret')
    }
    const { metrics } = await open({ metricsAddress: '127.0.0.1:0', metrics: { contentType: 'text/plain', scrape } })
    const response = await fetch(`${metrics}/metrics`)
    expect(response.status).toBe(500)
    expect(await response.text()).toBe('internal error\n')
    expect(events.at(-1)).toMatchObject({ event: 'probe.failed', key: '/metrics', error: 'secret' })
  })

  it('hold only so many connections', async () => {
    const { healthz } = await open({ healthzAddress: '127.0.0.1:0' })
    const port = Number(new URL(healthz).port)
    const sockets = Array.from({ length: 100 }, () => connect(port, '127.0.0.1').on('error', () => {}))
    const closed = sockets.filter((socket) => socket.on('close', () => closedCount++))
    let closedCount = 0
    await vi.waitFor(() => expect(closedCount).toBe(36))
    for (const socket of closed) socket.destroy()
  })

  it('try again, quietly, until an address can be bound', async () => {
    const other = createServer()
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
    const { port } = other.address() as AddressInfo
    await open({ healthzAddress: `127.0.0.1:${port}` })
    expect(servers?.addresses().healthz).toBeUndefined()
    for (let n = 0; n < 3; n++) {
      clock.advance(15_000)
      await vi.waitFor(() => expect(clock.pending).toBe(1))
    }
    expect(events.map(({ event, code }) => [event, code])).toEqual([['probe.failed', 'EADDRINUSE']])
    await new Promise((resolve) => other.close(resolve))
    clock.advance(15_000)
    await vi.waitFor(() => expect(servers?.addresses().healthz?.port).toBe(port))
    expect(events.at(-1)).toMatchObject({ event: 'probe.opened' })
    expect((await fetch(`http://127.0.0.1:${port}/healthz`)).status).toBe(200)
  })

  it('stop trying when they are disposed', async () => {
    const other = createServer()
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
    await open({ healthzAddress: `127.0.0.1:${(other.address() as AddressInfo).port}` })
    await servers?.[Symbol.asyncDispose]()
    await servers?.[Symbol.asyncDispose]()
    expect(clock.pending).toBe(0)
    await new Promise((resolve) => other.close(resolve))
  })

  it('cut what is connected when they are disposed', async () => {
    const { healthz } = await open({ healthzAddress: '127.0.0.1:0' })
    const half = raw(healthz, 'GET /healthz HTTP/1.1\r\n')
    await (await fetch(`${healthz}/healthz`)).text()
    await servers?.[Symbol.asyncDispose]()
    await half
    await expect(fetch(`${healthz}/healthz`)).rejects.toThrow()
  })

  it('refuse an address that makes no sense', async () => {
    await expect(open({ healthzAddress: 'ten-two-five-six' })).rejects.toMatchObject({ code: 'E_CONFIG' })
  })
})
