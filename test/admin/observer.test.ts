import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { expect, it } from 'vitest'
import { openObserver } from '../../src/admin/observer.ts'
import { manualClock } from '../../src/lib/clock.ts'
import { type Configuration, parseConfiguration } from '../../src/model/config.ts'
import { silentLogger } from '../../src/observe/logger.ts'
import type { Proxy as RunningProxy } from '../../src/runtime/proxy.ts'

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

it('health checks fail while a change waits for more than a minute, and another one that came meanwhile counts by itself', async () => {
  const clock = manualClock()
  const address = `127.0.0.1:${await freePort()}`
  const config = parseConfiguration({ flags: { healthzBindAddress: [address], metricsBindAddress: [''] } }, []) as Configuration
  await using observer = await openObserver({ config, version: '', clock, random: { below: () => 0 }, logger: silentLogger })
  const { onApplied, onQueued, onStarted } = observer.hooks
  const reading = { sources: [], draining: false, snapshot: undefined }
  await observer.attach({ ready: Promise.resolve(), read: () => reading } as unknown as RunningProxy)
  const livez = async () => (await fetch(`http://${address}/livez`)).status

  expect(await livez()).toBe(200)
  onQueued?.()
  onStarted?.()
  clock.advance(59_000)
  expect(await livez()).toBe(200)
  onQueued?.()
  clock.advance(1_000)
  expect(await livez()).toBe(503)
  // It failed and is tried again: still the same change that waits.
  onStarted?.()
  expect(await livez()).toBe(503)
  onApplied?.(1, [])
  expect(await livez()).toBe(200)

  onQueued?.()
  onStarted?.()
  onQueued?.()
  onApplied?.(1, [])
  clock.advance(60_000)
  expect(await livez()).toBe(503)
  onStarted?.()
  onApplied?.(1, [])
  clock.advance(600_000)
  expect(await livez()).toBe(200)
})
