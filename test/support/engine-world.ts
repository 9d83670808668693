import { expect } from 'vitest'
import { Ledger } from '../../src/balancer/ledger.ts'
import { type Clock, systemClock } from '../../src/lib/clock.ts'
import { seededRandom } from '../../src/lib/random.ts'
import type { Engine, ListenerSpec, ListenerStatus } from '../../src/listener/listener.ts'
import type { PublishedRoute } from '../../src/model/delta.ts'
import {
  endpointKey,
  familyOf,
  type Ip,
  listenerKey,
  type Port,
  type Protocol,
  type ServicePortKey,
  type SocketAddress,
} from '../../src/model/keys.ts'
import { SESSION_ENDS, type SessionEnd, sessionEndNumber } from '../../src/model/session.ts'
import {
  createSharedState,
  type EndpointCounter,
  endCell,
  endpointBase,
  endpointCell,
  ROTATIONS,
  type ServiceCounter,
  type SharedState,
  serviceBase,
  serviceCell,
} from '../../src/model/shared-layout.ts'
import { waitingNow } from '../../src/model/shared-lines.ts'
import { type RawRecord, RecordReader } from '../../src/observe/records.ts'
import {
  openBlackHole,
  openRefusing,
  type TcpEndpoint,
  TcpEndpoint as TcpEndpoints,
  type TestEndpoint,
  type UdpAnswer,
  UdpEndpoint,
} from './echo.ts'
import { eventually } from './eventually.ts'
import { connectTcp, startTcpClient } from './tcp-client.ts'
import type { TcpPeer } from './tcp-peer.ts'
import { UdpClient } from './udp-client.ts'

/** What a test gives an engine to work with. */
export interface TestEngineOptions {
  readonly shared: SharedState
  readonly descriptors: number
  readonly clock: Clock
}
export type OpenTestEngine = (options: TestEngineOptions) => Engine | Promise<Engine>

/** How a suite's worlds differ from another's. */
export interface WorldOptions {
  readonly openEngine: OpenTestEngine
  /** Threads that run sessions. */
  readonly workers: number
  /** The first three numbers of the suite's own addresses: `127.41.1`. */
  readonly network: string
  /** Ports for listeners, apart from other suites': IPv6 has one loopback address only. */
  readonly firstPort: number
  /** Per worker. */
  readonly descriptors?: number
}

/** A route as a test cares for it; what is left out is long enough not to matter. */
export interface RouteSketch
  extends Partial<
    Pick<
      PublishedRoute,
      | 'affinityTimeoutMs'
      | 'connectMs'
      | 'halfCloseMs'
      | 'idleMs'
      | 'protocol'
      | 'sourceRanges'
      | 'transparent'
      | 'udpIdleMs'
      | 'udpResponses'
      | 'maxSessionMs'
      | 'userTimeoutMs'
      | 'prelude'
      | 'acceptProxy'
      | 'clientRules'
      | 'sourceAddresses'
      | 'limits'
    >
  > {
  readonly endpoints: readonly Pick<TestEndpoint, 'address'>[]
  /** Listens here instead of on an address of its own. */
  readonly at?: SocketAddress
  /** Whether no interface need have that address. */
  readonly freeBind?: boolean
}

/** One session's record, with its end by name. */
export interface EndedSession extends Omit<RawRecord, 'end'> {
  readonly end: SessionEnd
}

const LONG_MS = 600_000
const DEFAULTS = {
  protocol: 'TCP',
  forLocalClients: undefined,
  affinityTimeoutMs: undefined,
  affinityPrefix: undefined,
  sourceRanges: [],
  connectMs: [5_000, 5_000, 5_000, 5_000],
  transparent: false,
  idleMs: LONG_MS,
  halfCloseMs: LONG_MS,
  udpIdleMs: LONG_MS,
  udpResponses: undefined,
  maxSessionMs: undefined,
  prelude: undefined,
  acceptProxy: undefined,
  limits: undefined,
  userTimeoutMs: undefined,
  clientRules: undefined,
  sourceAddresses: [],
} as const satisfies Partial<PublishedRoute>

/** One listener of a world, with the route it serves. */
export class TestListener {
  readonly spec: ListenerSpec
  readonly service: ServicePortKey
  readonly #world: EngineWorld
  #sketch: RouteSketch

  constructor(world: EngineWorld, spec: ListenerSpec, service: ServicePortKey, sketch: RouteSketch) {
    this.#world = world
    this.spec = spec
    this.service = service
    this.#sketch = sketch
  }

  get address(): SocketAddress {
    return this.spec.address
  }

  /** Puts the route in force, changed as told. */
  async publish(change: Partial<RouteSketch> = {}): Promise<void> {
    this.#sketch = { ...this.#sketch, ...change }
    await this.#world.publish({ set: [this.#world.route(this.spec, this.service, this.#sketch)] })
  }

  open(): Promise<ListenerStatus> {
    return this.#world.engine.open(this.spec)
  }

  park(): Promise<void> {
    return this.#world.engine.park(this.spec.id)
  }

  /** Closes the socket, then takes the route away, as the program does. */
  async close(sessions: 'keep' | 'cut' = 'keep'): Promise<void> {
    await this.#world.engine.close(this.spec.id, sessions)
    await this.#world.publish({ remove: [this.spec.id] })
  }

  /** The slot of one of its endpoints. */
  lease(endpoint: Pick<TestEndpoint, 'address'>): number {
    return this.#world.slot(this.service, endpoint, this.spec.protocol)
  }

  /** What is counted of its Service port, over all threads. */
  count(counter: ServiceCounter): number {
    return this.#world.serviceCell(this.service, serviceCell(counter))
  }

  /** Sessions of its Service port that wait now. */
  get waiting(): number {
    return this.#world.waiting(this.service)
  }

  /** How many sessions ended so. */
  ended(end: SessionEnd): number {
    return this.#world.serviceCell(this.service, endCell(sessionEndNumber(end)))
  }

  /** What is counted of one of its endpoints, over all threads. */
  countAt(endpoint: Pick<TestEndpoint, 'address'>, counter: EndpointCounter | 'active'): number {
    return this.#world.endpointCount(this.lease(endpoint), counter)
  }

  /** A client that is connected, from an address of its own if told. */
  connect(from?: string): Promise<TcpPeer> {
    return this.#world.keep(connectTcp(this.address, from))
  }

  /** A client that has only begun to connect. */
  start(): TcpPeer {
    return this.#world.keepNow(startTcpClient(this.address))
  }

  /** What one client that connects is told until the other side ends. */
  async ask(from?: string): Promise<string> {
    const client = await this.connect(from)
    await client.ends()
    client.halfClose()
    return client.text
  }

  udpClient(from?: string): Promise<UdpClient> {
    return this.#world.keep(UdpClient.open(this.address, from))
  }

  /** Records of its ended sessions, as soon as there are `count`. */
  async records(count: number): Promise<readonly EndedSession[]> {
    return await eventually(() => {
      const records = this.#world.records().filter((record) => record.listener === this.spec.id)
      expect(records.length).toBeGreaterThanOrEqual(count)
      return records
    })
  }

  /** The record of its only session so far. */
  async record(): Promise<EndedSession> {
    return (await this.records(1))[0] as EndedSession
  }
}

/** An engine with everything around it: shared memory, routes from sketches, endpoints, clients. When it is disposed, every
 *  session must have been counted and recorded exactly once and no endpoint may be left with a session. */
export class EngineWorld implements AsyncDisposable {
  readonly engine: Engine
  readonly #options: WorldOptions
  readonly #shared: SharedState
  readonly #ledger: Ledger
  readonly #readers: readonly RecordReader[]
  readonly #records: EndedSession[] = []
  readonly #stack = new AsyncDisposableStack()
  readonly #services: ServicePortKey[] = []
  #lastId = 0
  #lastHost = 0
  #revision = 0
  /** Ports are not used again within a suite, whatever became of their last connections. */
  static readonly #ports = new Map<string, number>()

  private constructor(engine: Engine, options: WorldOptions, shared: SharedState) {
    this.engine = engine
    this.#options = options
    this.#shared = shared
    this.#ledger = new Ledger(shared, seededRandom(7))
    this.#readers = shared.records.map((buffer) => new RecordReader(buffer))
  }

  static async open(options: WorldOptions): Promise<EngineWorld> {
    const { workers } = options
    const shared = createSharedState({ rows: workers, serviceSlots: 64, endpointSlots: 256, affinityEntries: 1024 })
    const descriptors = (options.descriptors ?? 6_000) * workers
    const engine = await options.openEngine({ shared, descriptors, clock: systemClock })
    return new EngineWorld(engine, options, shared)
  }

  /** Opens a listener whose route is in force; it must open. */
  async listen(sketch: RouteSketch): Promise<TestListener> {
    const listener = await this.claim(sketch)
    expect(await listener.open()).toEqual({ state: 'listening', address: listener.address })
    return listener
  }

  /** A listener whose route is in force, not open yet. */
  async claim(sketch: RouteSketch): Promise<TestListener> {
    const protocol = sketch.protocol ?? DEFAULTS.protocol
    const address = sketch.at ?? this.freeAddress()
    const { freeBind = false } = sketch
    const spec = { id: ++this.#lastId, key: listenerKey(protocol, address), protocol, address, freeBind }
    const service = `test/s${spec.id}:main/${protocol}` as ServicePortKey
    this.#services.push(service)
    const listener = new TestListener(this, spec, service, sketch)
    await listener.publish()
    return listener
  }

  /** An address where nobody listens. */
  freeAddress(ip = `${this.#options.network}.250`): SocketAddress {
    const { firstPort } = this.#options
    const port = (EngineWorld.#ports.get(ip) ?? firstPort - 1) + 1
    EngineWorld.#ports.set(ip, port)
    return { ip: ip as Ip, port: port as Port }
  }

  tcpEndpoint(script: string, ip = this.#host()): Promise<TcpEndpoint> {
    return this.keep(TcpEndpoints.open(ip, script))
  }

  /** As many TCP endpoints, which say `a`, `b`, … and end. */
  namedEndpoints(count: number): Promise<TcpEndpoint[]> {
    const names = [...'abcdefgh'].slice(0, count)
    return Promise.all(names.map((name) => this.tcpEndpoint(`say ${name}, shut`)))
  }

  udpEndpoint(answer: UdpAnswer, ip = this.#host(), port = 0): Promise<UdpEndpoint> {
    return this.keep(UdpEndpoint.open(ip, answer, port))
  }

  refusingEndpoint(): Promise<TestEndpoint> {
    return this.keep(openRefusing(this.#host()))
  }

  blackHole(): Promise<TestEndpoint> {
    return this.keep(openBlackHole(this.#host()))
  }

  async publish(change: { readonly set?: readonly PublishedRoute[]; readonly remove?: readonly number[] }): Promise<void> {
    await this.engine.publish({ revision: ++this.#revision, set: change.set ?? [], remove: change.remove ?? [] })
  }

  route(spec: ListenerSpec, service: ServicePortKey, sketch: RouteSketch): PublishedRoute {
    const { endpoints, at: _at, freeBind: _freeBind, ...given } = sketch
    const serviceSlot = this.#ledger.serviceSlot(service) as number
    return {
      ...DEFAULTS,
      ...given,
      protocol: spec.protocol,
      ip: spec.address.ip,
      listener: spec.id,
      service,
      serviceSlot,
      affinitySlot: serviceSlot,
      rotation: serviceSlot * ROTATIONS + (familyOf(spec.address.ip) === 6 ? 1 : 0),
      scheduler: 'rr',
      panicPercent: 0,
      endpoints: endpoints.map((endpoint) => ({
        slot: this.slot(service, endpoint, spec.protocol),
        key: endpointKey(endpoint.address, spec.protocol),
        address: endpoint.address,
        weight: 1,
        backup: false,
      })),
    }
  }

  slot(service: ServicePortKey, { address }: Pick<TestEndpoint, 'address'>, protocol: Protocol): number {
    return this.#ledger.endpointSlot(service, endpointKey(address, protocol)) as number
  }

  serviceCell(service: ServicePortKey, cell: number): number {
    const at = serviceBase(this.#ledger.serviceSlot(service) as number) + cell
    return this.#ledger.views.rows.reduce((sum, row) => sum + (row.services[at] as number), 0)
  }

  waiting(service: ServicePortKey): number {
    return waitingNow(this.#ledger.lines, this.#ledger.serviceSlot(service) as number)
  }

  endpointCount(slot: number, counter: EndpointCounter | 'active'): number {
    if (counter === 'active') return this.#ledger.activeAt(slot)
    const at = endpointBase(slot) + endpointCell(counter)
    return this.#ledger.views.rows.reduce((sum, row) => sum + (row.endpoints[at] as number), 0)
  }

  /** Every record so far, oldest first per thread. */
  records(): readonly EndedSession[] {
    for (const reader of this.#readers) {
      reader.drain((raw) => this.#records.push({ ...raw, end: SESSION_ENDS[raw.end] as SessionEnd }))
    }
    return this.#records
  }

  /** Disposes it with the world. */
  async keep<T extends AsyncDisposable>(opening: Promise<T>): Promise<T> {
    return this.keepNow(await opening)
  }

  keepNow<T extends AsyncDisposable>(resource: T): T {
    return this.#stack.use(resource)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.engine[Symbol.asyncDispose]()
    await this.#stack[Symbol.asyncDispose]()
    this.#expectNothingLeft()
  }

  #expectNothingLeft(): void {
    const active = this.#services.map((service) => this.serviceCell(service, serviceCell('active')))
    expect(active, 'sessions still counted as active').toEqual(active.map(() => 0))
    const busy = Array.from({ length: this.#shared.endpointSlots }, (_, slot) => this.#ledger.activeAt(slot))
    expect(
      busy.filter((count) => count !== 0),
      'endpoints still counted as busy',
    ).toEqual([])
    expect(
      this.#services.map((service) => this.waiting(service)),
      'sessions still counted as waiting',
    ).toEqual(active)
    const begun = this.#services.reduce((sum, service) => sum + this.serviceCell(service, serviceCell('sessions')), 0)
    const ids = this.records().map((record) => record.id)
    expect(new Set(ids).size, 'sessions recorded once').toBe(ids.length)
    expect(ids.length, 'sessions recorded').toBe(begun)
    expect(this.engine.sessions(), 'sessions of the engine').toBe(0)
  }

  #host(): string {
    return `${this.#options.network}.${++this.#lastHost}`
  }
}
