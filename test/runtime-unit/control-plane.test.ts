import { describe, expect, it } from 'vitest'
import { manualClock } from '../../src/lib/clock.ts'
import { parseCidr } from '../../src/model/address.ts'
import type { Cidr, Ip } from '../../src/model/keys.ts'
import { DEFAULT_PARSE_OPTIONS } from '../../src/model/parse-options.ts'
import type { Problem } from '../../src/model/problem.ts'
import type { Snapshot } from '../../src/model/snapshot.ts'
import type { SourceObject } from '../../src/model/source-object.ts'
import { ControlPlane } from '../../src/runtime/control-plane.ts'
import { createLatest } from '../../src/source/latest.ts'
import type { Source, SourceState } from '../../src/source/source.ts'
import { aService, aSlice, inShort, type Json, routesOf } from '../support/objects.ts'
import { createRecordingLogger } from '../support/recording-logger.ts'
import { settle } from '../support/settle.ts'

const WEB = 'TCP/10.0.0.1:80'
const web = aService('web')
const slice = (...ips: string[]) => aSlice('web', ips)

/** A source that says what the test says. */
class ScriptedSource implements Source {
  readonly name: string
  refreshed = 0
  disposed = false
  readonly #states = createLatest<SourceState>()
  readonly #seen = new Map<unknown, SourceObject>()
  readonly #broken = Promise.withResolvers<never>()
  #version = 0

  constructor(name: string) {
    this.name = name
    this.#broken.promise.catch(() => {})
  }

  /** Has these objects from now on; the same value is the same object. */
  say(objects: readonly unknown[], { synced = true, problems = [] as readonly Problem[] } = {}): void {
    const found = objects.map((value, n) => {
      const known = this.#seen.get(value) ?? { value, origin: { place: `${this.name}.yaml`, line: n + 1, lines: undefined } }
      this.#seen.set(value, known)
      return known
    })
    this.#states.set({ version: `${this.name}-${++this.#version}`, synced, objects: found, problems, readAtMs: 0 })
  }

  break(error: Error): void {
    this.#broken.reject(error)
  }

  async *watch(signal: AbortSignal): AsyncIterable<SourceState> {
    const states = this.#states.watch(signal)[Symbol.asyncIterator]()
    for (;;) {
      const { value, done } = await Promise.race([states.next(), this.#broken.promise])
      if (done) return
      yield value
    }
  }

  refresh(): void {
    this.refreshed++
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.disposed = true
    this.#states.close()
  }
}

function createWorld(sourceNames: readonly string[] = ['a'], { clusterIpRange = undefined as string | undefined } = {}) {
  const clock = manualClock()
  const logger = createRecordingLogger()
  const sources = sourceNames.map((name) => new ScriptedSource(name))
  const applied: Snapshot[] = []
  let queued = 0
  let ready = false
  let gate: Promise<void> = Promise.resolve()
  let atOnce = 0
  let most = 0
  let failures = 0
  const nodeIps: Ip[] = ['192.0.2.1' as Ip]
  const plane = new ControlPlane({
    sources,
    parse: DEFAULT_PARSE_OPTIONS,
    compile: {
      clusterIpRange: clusterIpRange === undefined ? undefined : (parseCidr(clusterIpRange) as Cidr),
      nodePortRange: [30_000, 32_767],
      transparentSource: true,
    },
    node: { name: 'node-1', nodeLabels: {}, nodeIps, nodeportAddresses: [], clusterCidrs: [] },
    clock,
    logger,
    async apply(snapshot) {
      most = Math.max(most, ++atOnce)
      try {
        await gate
        if (failures > 0) {
          failures--
          throw new Error('no worker')
        }
        applied.push(snapshot)
      } finally {
        atOnce--
      }
    },
    onQueued: () => void queued++,
  })
  plane.ready.then(() => {
    ready = true
  })
  return {
    clock,
    logger,
    plane,
    sources,
    source: sources[0] as ScriptedSource,
    applied,
    nodeIps,
    queued: () => queued,
    ready: () => ready,
    mostAtOnce: () => most,
    failNext(count: number): void {
      failures = count
    },
    /** From now on changes wait to be in force until the returned function is called. */
    hold(): () => void {
      const { promise, resolve } = Promise.withResolvers<void>()
      gate = promise
      return resolve
    },
    /** Lets `byMs` pass, and everything happen that follows from it. */
    async pass(byMs = 0): Promise<void> {
      await settle()
      clock.advance(byMs)
      await settle()
    },
    /** The routes in force. */
    routes: () => routesOf(applied.at(-1) as Snapshot),
  }
}

describe('control plane', () => {
  it('puts in force what its source says', async () => {
    const world = createWorld()
    world.source.say([web, slice('10.1.0.1')])
    await world.pass()
    expect(world.routes()).toEqual({ [WEB]: ['10.1.0.1:8080/TCP'] })
    expect(world.queued()).toBe(1)
    expect(world.logger.of('source.synced')).toMatchObject([{ fields: { key: 'a', objects: 2 } }])
  })

  it('is ready once every source has loaded and what they said is in force', async () => {
    const world = createWorld(['a', 'b'])
    const [a, b] = world.sources as [ScriptedSource, ScriptedSource]
    a.say([web, slice('10.1.0.1')])
    await world.pass()
    expect(world.routes()).toEqual({ [WEB]: ['10.1.0.1:8080/TCP'] })
    b.say([], { synced: false })
    await world.pass(10)
    expect([world.plane.synced, world.ready()]).toEqual([false, false])
    const release = world.hold()
    b.say([])
    await world.pass(10)
    expect(world.plane.synced).toBe(false)
    release()
    await world.pass()
    expect([world.plane.synced, world.ready()]).toEqual([true, true])
  })

  it('is ready at once without any source', async () => {
    const world = createWorld([])
    await world.pass()
    expect(world.ready()).toBe(true)
    expect(world.applied).toHaveLength(1)
  })

  it('stays up, says so and is not ready while its source has nothing right', async () => {
    const world = createWorld()
    const problem: Problem = {
      severity: 'error',
      code: 'file-missing',
      place: 'a.yaml',
      object: '',
      field: '',
      value: '',
      message: 'no such file',
    }
    world.source.say([], { synced: false, problems: [problem] })
    await world.pass()
    expect(world.ready()).toBe(false)
    expect(world.applied.at(-1)?.problems).toEqual([problem])
    expect(world.logger.of('object.problem')).toHaveLength(1)
    world.source.say([web, slice('10.1.0.1')])
    await world.pass(10)
    expect(world.ready()).toBe(true)
    expect(world.logger.of('object.resolved')).toHaveLength(1)
    expect(world.routes()).toEqual({ [WEB]: ['10.1.0.1:8080/TCP'] })
  })

  it('removes nothing when a source fails', async () => {
    const world = createWorld(['a', 'b'])
    const [a, b] = world.sources as [ScriptedSource, ScriptedSource]
    const api = aService('api', { clusterIP: '10.0.0.2' })
    a.say([web, slice('10.1.0.1')])
    b.say([api])
    await world.pass(10)
    a.break(new Error('disk gone'))
    b.say([api, aSlice('api', ['10.1.0.9'])])
    await world.pass(10)
    expect(world.routes()).toEqual({ [WEB]: ['10.1.0.1:8080/TCP'], 'TCP/10.0.0.2:80': ['10.1.0.9:8080/TCP'] })
    expect(world.logger.of('source.failed')).toMatchObject([{ level: 'error', fields: { key: 'a' } }])
    await world.plane[Symbol.asyncDispose]()
  })

  it('keeps the neighbours of an object that went wrong, and says what is wrong with it', async () => {
    const world = createWorld()
    const api = aService('api', { clusterIP: '10.0.0.2' })
    world.source.say([web, slice('10.1.0.1'), api])
    await world.pass()
    world.source.say([web, slice('10.1.0.1'), aService('api', { clusterIP: 'ten' })])
    await world.pass(10)
    expect(Object.keys(world.routes())).toEqual([WEB])
    expect(inShort(world.applied.at(-1)?.problems ?? [])).toEqual(['error address Service default/api spec.clusterIP'])
  })

  it('lets the first source win where two have the same object', async () => {
    const world = createWorld(['a', 'b'])
    const [a, b] = world.sources as [ScriptedSource, ScriptedSource]
    b.say([aService('web', { clusterIP: '10.0.0.9' })])
    a.say([web])
    await world.pass(10)
    expect(Object.keys(world.routes())).toEqual([WEB])
    expect(world.plane.states().map(({ name, state }) => [name, state?.objects.length])).toEqual([
      ['a', 1],
      ['b', 1],
    ])
  })
})

describe('changes that come close together', () => {
  it('become one', async () => {
    const world = createWorld()
    world.source.say([web])
    await world.pass()
    for (let n = 1; n <= 5; n++) {
      world.source.say([web, slice(`10.1.0.${n}`)])
      await world.pass(1)
    }
    await world.pass(10)
    expect(world.applied).toHaveLength(2)
    expect(world.routes()).toEqual({ [WEB]: ['10.1.0.5:8080/TCP'] })
  })

  it('wait for the one that is being put in force, and come after it in their order', async () => {
    const world = createWorld()
    const release = world.hold()
    world.source.say([web, slice('10.1.0.1')])
    await world.pass()
    for (const ip of ['10.1.0.2', '10.1.0.3']) {
      world.source.say([web, slice(ip)])
      await world.pass(50)
    }
    expect(world.applied).toHaveLength(0)
    release()
    await world.pass(10)
    await world.pass(10)
    expect(world.mostAtOnce()).toBe(1)
    expect(world.applied.map((snapshot) => [snapshot.revision, routesOf(snapshot)[WEB]])).toEqual([
      [1, ['10.1.0.1:8080/TCP']],
      [2, ['10.1.0.3:8080/TCP']],
    ])
  })

  const changed = aService('web', { ports: [{ port: 99 }] })
  // Cases 60 to 65: pending changes of a Service are what is left of them.
  it.each<[string, Json[], Json[], string[]]>([
    ['an add is an add', [], [web], [WEB]],
    ['an add and an update are an add of the newest', [], [web, changed], ['TCP/10.0.0.1:99']],
    ['an add and a delete are nothing', [], [web, {}], []],
    ['two updates are one to the newest', [web], [aService('web', { ports: [{ port: 98 }] }), changed], ['TCP/10.0.0.1:99']],
    ['an update and a delete are a delete', [web], [changed, {}], []],
    ['a delete and an add are an update', [web], [{}, changed], ['TCP/10.0.0.1:99']],
    ['a delete and the same add again are nothing', [web], [{}, web], [WEB]],
  ])('are what they come to: %s', async (_, before, steps, expected) => {
    const world = createWorld()
    world.source.say(before)
    await world.pass()
    const last = world.applied.at(-1)
    for (const step of steps) {
      world.source.say('kind' in step ? [step] : [])
      await world.pass(1)
    }
    await world.pass(10)
    expect(world.applied).toHaveLength(2)
    expect([...(world.applied.at(-1)?.routes.keys() ?? [])]).toEqual(expected)
    if (steps.at(-1) === web && before[0] === web)
      expect(world.applied.at(-1)?.routes.get(WEB as never)).toBe(last?.routes.get(WEB as never))
  })
})

describe('a change that could not be put in force', () => {
  it('is tried again until it is, though nobody asks', async () => {
    const world = createWorld()
    world.failNext(2)
    world.source.say([web, slice('10.1.0.1')])
    await world.pass()
    expect(world.ready()).toBe(false)
    expect(world.logger.of('snapshot.failed')).toMatchObject([{ level: 'error' }])
    await world.pass(999)
    expect(world.logger.of('snapshot.failed')).toHaveLength(1)
    await world.pass(1)
    await world.pass(1_000)
    expect(world.logger.of('snapshot.failed')).toHaveLength(2)
    expect(world.applied).toHaveLength(1)
    expect(world.ready()).toBe(true)
    await world.pass(5_000)
    expect(world.applied).toHaveLength(1)
  })

  it('is compared with what was in force before, so that nothing is taken for done', async () => {
    const world = createWorld()
    world.source.say([web, slice('10.1.0.1')])
    await world.pass()
    const [first] = world.applied
    world.failNext(1)
    world.source.say([web, slice('10.1.0.2')])
    await world.pass(10)
    world.source.say([web, slice('10.1.0.1')])
    await world.pass(1_000)
    const [, second] = world.applied
    expect(second?.revision).toBe(2)
    expect(second?.routes.get(WEB as never)).not.toBeUndefined()
    expect(routesOf(second as Snapshot)).toEqual(routesOf(first as Snapshot))
  })

  it('says its problems once', async () => {
    const world = createWorld()
    world.failNext(3)
    world.source.say([aService('web', { clusterIP: 'ten' })])
    await world.pass()
    for (let n = 0; n < 3; n++) await world.pass(1_000)
    expect(world.logger.of('object.problem')).toHaveLength(1)
  })
})

describe('assigned addresses', () => {
  it('are said once, when they are given', async () => {
    const world = createWorld(['a'], { clusterIpRange: '10.96.0.0/24' })
    const bare = aService('web', { clusterIP: undefined, type: 'NodePort' })
    world.source.say([bare])
    await world.pass()
    const said = world.logger.of('address.assigned').map(({ message, fields }) => `${fields.key}: ${message}`)
    expect(said).toEqual(['default/web: clusterIP 10.96.0.60', expect.stringMatching(/^default\/web:\/TCP: nodePort 3\d{4}$/)])
    world.source.say([bare, slice('10.1.0.1')])
    await world.pass(10)
    expect(world.logger.of('address.assigned')).toHaveLength(2)
  })
})

describe('the Node object of this node', () => {
  it('is said to come, to go and to be gone, once each', async () => {
    const world = createWorld()
    const node = (more: Json = {}) => ({ apiVersion: 'v1', kind: 'Node', metadata: { name: 'node-1', ...more } })
    for (const objects of [[web], [web, node()], [node()], [node({ deletionTimestamp: '2024-01-31T12:00:00Z' })], [], [web]]) {
      world.source.say(objects)
      await world.pass(10)
    }
    const said = world.logger.of('node.state').map(({ level, fields }) => `${level} ${fields['key']} ${fields['state']}`)
    expect(said).toEqual(['info node-1 staying', 'warn node-1 leaving'])
  })
})

describe('addresses of the machine', () => {
  it('are read again on their own and on request', async () => {
    const world = createWorld()
    const nodePort = aService('web', { type: 'NodePort', ports: [{ port: 80, nodePort: 30_080 }] })
    world.source.say([nodePort])
    await world.pass()
    expect(Object.keys(world.routes())).toEqual([WEB, 'TCP/192.0.2.1:30080'])
    world.nodeIps.push('192.0.2.2' as Ip)
    await world.pass(10_000)
    expect(Object.keys(world.routes())).toEqual([WEB, 'TCP/192.0.2.1:30080', 'TCP/192.0.2.2:30080'])
    world.nodeIps.shift()
    world.plane.refresh()
    await world.pass(10)
    expect(Object.keys(world.routes())).toEqual([WEB, 'TCP/192.0.2.2:30080'])
    expect(world.source.refreshed).toBe(1)
    expect(world.logger.of('node.addresses')).toHaveLength(3)
  })

  it('cause no change while they stay', async () => {
    const world = createWorld()
    world.source.say([web])
    await world.pass()
    for (let n = 0; n < 10; n++) await world.pass(10_000)
    expect(world.applied).toHaveLength(1)
  })
})

describe('a control plane that is disposed', () => {
  it('waits for the change under way, disposes its sources and leaves no timer', async () => {
    const world = createWorld()
    const release = world.hold()
    world.source.say([web])
    await world.pass()
    let disposed = false
    const disposing = world.plane[Symbol.asyncDispose]().then(() => {
      disposed = true
    })
    await settle()
    expect(disposed).toBe(false)
    release()
    await disposing
    expect(world.source.disposed).toBe(true)
    world.source.say([web, slice('10.1.0.1')])
    world.plane.refresh()
    await world.pass(60_000)
    expect(world.applied).toHaveLength(1)
    expect(world.clock.pending).toBe(0)
  })
})
