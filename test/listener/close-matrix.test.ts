import { describe, expect, it } from 'vitest'
import { systemRandom } from '../../src/lib/random.ts'
import { openNodeEngine } from '../../src/listener/node/engine.ts'
import { RouteSessionPolicy } from '../../src/listener/session-policy.ts'
import type { Cidr } from '../../src/model/keys.ts'
import { CLOSE_MATRIX, type CloseCase, type Seen } from '../support/close-matrix.ts'
import { openConnections } from '../support/descriptors.ts'
import {
  EngineWorld,
  type OpenTestEngine,
  type RouteSketch,
  type TestListener,
  type WorldOptions,
} from '../support/engine-world.ts'
import { eventually } from '../support/eventually.ts'
import { libc, nativeEngine, WITHOUT_NATIVE } from '../support/native-engine.ts'
import { RawPeer, until } from '../support/raw-peer.ts'
import { RawSockets } from '../support/raw-sockets.ts'
import { patternSha256 } from '../support/tally.ts'

/** What fits into one packet. */
const WORD_BYTES = 300
/** More than a buffer of ours, and less than the system takes for a side that does not read. */
const BULK_BYTES = 1024 * 1024
/** The same where nobody is in between. */
const DIRECT_BULK_BYTES = 20_000
const LAST_BYTES = 700
const SHORT_MS = 400
const LONG_MS = 10_000

const openNode: OpenTestEngine = ({ shared, descriptors, clock }) =>
  openNodeEngine({ policy: new RouteSessionPolicy(shared, 0, clock, systemRandom), descriptors, clock })
const NODE: WorldOptions = { openEngine: openNode, workers: 1, network: '127.133.1', firstPort: 24_000 }
const NATIVE: WorldOptions = { openEngine: nativeEngine({ workers: 2 }), workers: 2, network: '127.133.2', firstPort: 25_000 }

/** Client and endpoint, as far as there are such: the side that acts, and the other. */
interface Pair {
  readonly one: RawPeer | undefined
  readonly other: RawPeer | undefined
}

/** One case, with the sockets of both sides. */
class Scene implements Disposable {
  readonly raw = new RawSockets()
  /** Where the endpoint is. */
  readonly door: ReturnType<RawSockets['listen']>
  readonly #case: CloseCase

  constructor(host: string, closing: CloseCase) {
    this.door = this.raw.listen(host)
    this.#case = closing
  }

  [Symbol.dispose](): void {
    this.raw[Symbol.dispose]()
  }

  connect(listener: TestListener | Scene['door']): RawPeer {
    return new RawPeer(this.raw, this.raw.connect(listener.address))
  }

  async accepted(): Promise<RawPeer> {
    let fd: number | undefined
    await until('a connection to the endpoint', () => {
      fd = this.raw.accept(this.door.fd)
      return fd !== undefined
    })
    return new RawPeer(this.raw, fd as number)
  }

  /** Brings a session into its state by way of `listener`, and has a side act. */
  async playConnected(listener: TestListener | Scene['door'], bulkBytes: number): Promise<Pair> {
    const { state, actor } = this.#case
    const client = this.connect(listener)
    const endpoint = await this.accepted()
    const [one, other] = actor === 'client' ? [client, endpoint] : [endpoint, client]
    const bytes = state === 'idle' ? WORD_BYTES : bulkBytes
    one.paused = other.paused = state === 'flowing'
    // The other side speaks last: the one that acts is awaited.
    await one.sends(bytes)
    if (state === 'idle') await until('the first word', () => other.received.bytes === bytes, other)
    await other.sends(bytes)
    if (state === 'idle') await until('the answer', () => one.received.bytes === bytes, one)
    await this.act(one, other)
    return { one, other }
  }

  /** The side does what the case is about. Nothing that it sent is on its way to us any more. */
  async act(one: RawPeer, other: RawPeer | undefined): Promise<void> {
    const { act, state } = this.#case
    if (act === 'resets') one.reset()
    else if (act === 'half-closes' || act === 'half-closes, and the other side stays silent') one.halfClose()
    else if (act === 'closes') {
      one.paused = false
      await until('all that it was sent', () => one.received.bytes === (other?.sent ?? 0), one)
      one.close()
    } else if (act === 'closes with bytes unread') {
      one.paused = true
      if (state === 'idle') await other?.sends(WORD_BYTES)
      await until('something that it does not read', () => one.unread > 0)
      one.close()
    }
  }

  /** Both sides go on until they see the end; `stays`: whether the one that acted is still there to see it. */
  async finish({ one, other }: Pair, stays: boolean): Promise<void> {
    const { act } = this.#case
    const readers = [other, stays ? one : undefined].filter((peer) => peer !== undefined)
    for (const reader of readers) reader.paused = false
    if (other) {
      await until('the other side to see the end', () => other.outcome !== 'open', ...readers)
      if (act === 'half-closes') {
        await other.sends(LAST_BYTES)
        other.halfClose()
      } else if (act !== 'half-closes, and the other side stays silent') other.close()
    }
    await until('the side that acted to see the rest', () => readers.every(({ outcome }) => outcome !== 'open'), ...readers)
  }

  /** How both sides saw the end, in the words of the matrix. */
  seen({ one, other }: Pair, stays: boolean): { readonly other: Seen; readonly itself?: Seen } {
    return { other: seenBy(other, one?.sent ?? 0), ...(stays && { itself: seenBy(one, other?.sent ?? 0) }) }
  }
}

/** The same with an engine in between. */
class ProxiedScene extends Scene implements AsyncDisposable {
  readonly world: EngineWorld
  readonly closing: CloseCase

  constructor(world: EngineWorld, network: string, closing: CloseCase) {
    super(`${network}.9`, closing)
    this.world = world
    this.closing = closing
  }

  /** Plays the case; returns the sides and the session's listener. */
  async play(): Promise<Pair & { readonly listener: TestListener }> {
    const { state, actor, act } = this.closing
    if (state === 'connecting') return actor === 'client' ? this.#clientConnecting() : this.#endpointConnecting()
    const listener = await this.world.listen({ endpoints: [this.door], ...this.#timeouts() })
    const pair = await this.playConnected(listener, BULK_BYTES)
    if (act === 'closes' && state === 'flowing') {
      // What still comes for it is refused by the system, which our side is told of.
      await pair.other?.sends(WORD_BYTES)
      const ends = actor === 'client' ? { localPort: listener.address.port } : { remotePort: this.door.address.port }
      await eventually(() => expect(openConnections(ends)).toBe(0))
    }
    // Nobody reads until time is up.
    if (act === 'falls silent' && state === 'flowing') await listener.record()
    return { ...pair, listener }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.world[Symbol.asyncDispose]()
    this[Symbol.dispose]()
  }

  /** The client's first attempt runs into nothing; by the second there is an endpoint. */
  async #clientConnecting(): Promise<Pair & { readonly listener: TestListener }> {
    const { act } = this.closing
    if (act === 'falls silent') {
      const acceptProxy = { from: ['127.0.0.0/8' as Cidr], withinMs: SHORT_MS }
      const listener = await this.world.listen({ endpoints: [this.door], acceptProxy })
      return { listener, one: this.connect(listener), other: undefined }
    }
    const hole = await this.world.blackHole()
    const connectMs = [SHORT_MS, LONG_MS]
    const listener = await this.world.listen({ endpoints: [hole], connectMs, ...this.#timeouts() })
    const one = this.connect(listener)
    await one.sends(WORD_BYTES)
    await eventually(() => expect(listener.countAt(hole, 'active')).toBe(1))
    await listener.publish({ endpoints: [this.door] })
    await this.act(one, undefined)
    const comesToNobody = act === 'resets' && this.world.engine.can.has('exact-reset')
    return { listener, one, other: comesToNobody ? undefined : await this.accepted() }
  }

  /** The endpoint acts as soon as it is reached, or cannot be reached at all. */
  async #endpointConnecting(): Promise<Pair & { readonly listener: TestListener }> {
    const { act } = this.closing
    if (act === 'falls silent' || act === 'resets') {
      const nobody = act === 'resets' ? await this.world.refusingEndpoint() : await this.world.blackHole()
      const listener = await this.world.listen({ endpoints: [nobody], connectMs: [SHORT_MS] })
      return { listener, one: undefined, other: this.connect(listener) }
    }
    const listener = await this.world.listen({ endpoints: [this.door], ...this.#timeouts() })
    const other = this.connect(listener)
    if (act !== 'closes') await other.sends(WORD_BYTES)
    const one = await this.accepted()
    await this.act(one, other)
    return { listener, one, other }
  }

  #timeouts(): Partial<RouteSketch> {
    const { act } = this.closing
    if (act === 'falls silent') return { idleMs: SHORT_MS }
    return act === 'half-closes, and the other side stays silent' ? { halfCloseMs: SHORT_MS } : {}
  }
}

function seenBy(peer: RawPeer | undefined, sent: number): Seen {
  if (!peer) return { bytes: 'nothing', after: 'no connection' }
  const { bytes, sha256 } = peer.received
  expect(sha256, 'what came is the beginning of what was sent').toBe(patternSha256(bytes))
  const how = bytes === 0 ? 'nothing' : bytes === sent ? 'everything' : 'a part'
  return { bytes: how, after: peer.outcome === 'end' ? 'FIN' : 'RST' }
}

/** The matrix on an engine: what both sides get, byte by byte, and what the record says. */
function engineCases(options: WorldOptions): void {
  it.each(CLOSE_MATRIX)('$state: the $actor $act', async (closing) => {
    await using scene = new ProxiedScene(await EngineWorld.open(options), options.network, closing)
    const expected = { ...closing, ...(!scene.world.engine.can.has('exact-reset') && closing.inexact) }
    const stays = expected.itself !== undefined
    const played = await scene.play()
    await scene.finish(played, stays)
    const record = await played.listener.record()
    const { other, itself, end } = expected
    expect({ ...scene.seen(played, stays), end: record.end }).toEqual({ other, ...(itself && { itself }), end })
    const counted = closing.actor === 'client' ? record.bytesFromClient : record.bytesFromEndpoint
    if (other.bytes === 'everything') expect(counted).toBe(played.one?.sent)
  })
}

/** Whether it is about two sides only, and no time of ours. */
function isDirect({ state, act }: CloseCase): boolean {
  return state !== 'connecting' && act !== 'falls silent' && act !== 'half-closes, and the other side stays silent'
}

describe.skipIf(!libc)(`how a session closes${WITHOUT_NATIVE}`, () => {
  describe('on the native engine', () => engineCases(NATIVE))
  describe('on the node engine', () => engineCases(NODE))

  describe('with nobody in between, which is what an engine is measured by', () => {
    it.each(CLOSE_MATRIX.filter(isDirect))('$state: the $actor $act', async (closing) => {
      using scene = new Scene('127.133.3.9', closing)
      const stays = closing.itself !== undefined
      const pair = await scene.playConnected(scene.door, DIRECT_BULK_BYTES)
      await scene.finish(pair, stays)
      const { other, itself } = closing
      expect(scene.seen(pair, stays)).toEqual({ other, ...(itself && { itself }) })
    })
  })
})
