import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { describe, expect } from 'vitest'
import { loadLibc } from '../../src/lib/libc/load.ts'
import { parseIp } from '../../src/model/address.ts'
import type { Ip, Port, SocketAddress } from '../../src/model/keys.ts'
import type { SessionRecord } from '../../src/model/session.ts'
import { serviceBase, serviceCell } from '../../src/model/shared-layout.ts'
import type { LogEvent } from '../../src/observe/log-events.ts'
import type { ProxyAddress, Proxy as RunningProxy } from '../../src/runtime/proxy.ts'
import { openBlackHole, openRefusing, sayName, TcpEndpoint, type TestEndpoint, type UdpAnswer, UdpEndpoint } from './echo.ts'
import { eventually } from './eventually.ts'
import { askHttp } from './http-client.ts'
import { aSlice, type Json } from './objects.ts'
import { createRecordingLogger, type RecordingLogger } from './recording-logger.ts'
import { connectTcp, startTcpClient } from './tcp-client.ts'
import type { TcpPeer } from './tcp-peer.ts'
import { UdpClient } from './udp-client.ts'
import { openWholeProxy, type ProxyInputs, type WholeProxy } from './whole-proxy.ts'
import { within } from './within.ts'

export type EngineName = 'node' | 'native'

/** What a suite needs to open its worlds. */
export type OpenWorld = (options?: WorldOptions) => Promise<World>

export interface WorldOptions {
  /** Options of the proxy, beside those every world has. */
  readonly inputs?: ProxyInputs
  /** In force from the beginning. */
  readonly objects?: readonly unknown[]
  /** Files and folders to watch; the world does not wait until they were read. */
  readonly files?: readonly string[]
}

/** Threads of the native engine: two find more than one. */
const WORKERS = 2
/** What no test may cause unless it says so. */
const FAULTS: readonly LogEvent[] = ['snapshot.failed', 'worker.died', 'ledger.full', 'source.failed', 'snapshot.failed']

/** Declares the same tests for each engine. One that cannot run here is skipped, and says why. `network` is the suite's
 *  own: the first three numbers of its addresses. */
export function describeOnEngines(
  behaviour: string,
  network: string,
  define: (open: OpenWorld, engine: EngineName) => void,
): void {
  for (const engine of ['node', 'native'] as const) {
    const loaded = engine === 'native' ? loadLibc() : undefined
    const missing = loaded && !loaded.libc ? loaded.reason : undefined
    const name = `${behaviour}, on the ${engine} engine${missing === undefined ? '' : ` (skipped: ${missing})`}`
    describe.skipIf(missing !== undefined)(name, () => define((options) => World.open(engine, network, options), engine))
  }
}

/** Options of every world, in process or out of it. */
export function worldInputs(engine: EngineName, network: string): ProxyInputs {
  return { engine, workers: WORKERS, allowLoopbackEndpoints: true, nodeIp: [`${network}.250`] }
}

/** `127.70.1.1:8080`, taken apart. */
export function addressOf(text: string): SocketAddress {
  const [, ip = '', port = ''] = /^\[?(.*?)\]?:(\d+)$/.exec(text) ?? []
  if (!parseIp(ip)) throw new SyntaxError(`${text} is not an address such as 127.70.1.1:8080`)
  return { ip: ip as Ip, port: Number(port) as Port }
}

/** EndpointSlices that list these endpoints for a Service, one slice each. */
export function slicesOf(service: string, endpoints: readonly Pick<TestEndpoint, 'address'>[], port: Json = {}): Json[] {
  return endpoints.map(({ address: { ip, port: number } }) => {
    const name = `${service}-${`${ip}-${number}${port['name'] ?? ''}${port['protocol'] ?? ''}`.toLowerCase().replace(/[.:]/g, '-')}`
    const addressType = ip.includes(':') ? 'IPv6' : 'IPv4'
    return aSlice(service, [ip], { name, addressType, ports: [{ name: '', port: number, ...port }] })
  })
}

/** A whole proxy in this process with everything around it. When it is disposed, no session may still be counted, none
 *  may have been told of twice, nothing may have gone wrong inside, and every address must be free again. */
export class World implements AsyncDisposable {
  readonly log: RecordingLogger
  /** Sessions that ended, as the access log would tell of them. */
  readonly records: SessionRecord[]
  readonly #network: string
  readonly #whole: WholeProxy
  readonly #stack = new AsyncDisposableStack()
  readonly #expected = new Set<LogEvent>()
  #lastHost = 100
  #disposed = false

  private constructor(network: string, whole: WholeProxy, log: RecordingLogger, records: SessionRecord[]) {
    this.#network = network
    this.#whole = whole
    this.log = log
    this.records = records
  }

  static async open(engine: EngineName, network: string, options: WorldOptions = {}): Promise<World> {
    const { files = [], inputs, objects = [] } = options
    const logger = createRecordingLogger()
    const records: SessionRecord[] = []
    const whole = await openWholeProxy({
      inputs: { ...worldInputs(engine, network), ...inputs },
      objects,
      files,
      logger,
      onSession: (record) => void records.push(record),
    })
    return new World(network, whole, logger, records)
  }

  get proxy(): RunningProxy {
    return this.#whole.proxy
  }

  /** Serves these objects and no others; resolves when that is in force. */
  async apply(...objects: readonly (Json | readonly Json[])[]): Promise<void> {
    await within('a change to be in force', this.#whole.apply(objects.flat()))
  }

  /** The same without waiting. */
  set(...objects: readonly (Json | readonly Json[])[]): void {
    this.#whole.set(objects.flat())
  }

  /** A TCP endpoint that plays a script with everyone who connects. */
  tcpEndpoint(script: string): Promise<TcpEndpoint> {
    return this.keep(TcpEndpoint.open(this.#host(), script))
  }

  /** TCP endpoints that say their name, then echo. */
  endpoints(...names: readonly string[]): Promise<TcpEndpoint[]> {
    return Promise.all(names.map((name) => this.tcpEndpoint(`say ${name}, echo`)))
  }

  /** A UDP endpoint on a free port, or the port given. */
  udpEndpoint(answer: UdpAnswer, port = 0): Promise<UdpEndpoint> {
    return this.keep(UdpEndpoint.open(this.#host(), answer, port))
  }

  /** UDP endpoints that answer every datagram with their name. */
  udpEndpoints(...names: readonly string[]): Promise<UdpEndpoint[]> {
    return Promise.all(names.map((name) => this.udpEndpoint(sayName(name))))
  }

  /** An address where nobody listens. */
  refusing(): Promise<TestEndpoint> {
    return this.keep(openRefusing(this.#host()))
  }

  /** An address that never answers a connection attempt. */
  blackHole(): Promise<TestEndpoint> {
    return this.keep(openBlackHole(this.#host()))
  }

  /** A client that is connected, from an address of its own if told. */
  connect(address: string, from?: string): Promise<TcpPeer> {
    return this.keep(connectTcp(addressOf(address), from))
  }

  /** A client that has only begun to connect. */
  start(address: string): TcpPeer {
    return this.keepNow(startTcpClient(addressOf(address)))
  }

  /** A client that is connected and was told a name, which it has in `text`. */
  async greeted(address: string, from?: string): Promise<TcpPeer> {
    const client = await this.connect(address, from)
    return await client.receives(1)
  }

  /** Connects, hears who is there, and leaves. */
  async ask(address: string, from?: string): Promise<string> {
    const client = await this.greeted(address, from)
    client.halfClose()
    await client.closes()
    return client.text
  }

  /** How a client that connects is turned away before anything is said to it: refused by the system, or reset after the
   *  connection stood. Which of the two a client sees of a reset depends on how fast it is. */
  async turnedAway(address: string, from?: string): Promise<'refused' | 'reset'> {
    const client = await this.connect(address, from).catch((error: NodeJS.ErrnoException) => error)
    if (client instanceof Error) {
      if (client.code === 'ECONNREFUSED') return 'refused'
      if (client.code === 'ECONNRESET') return 'reset'
      throw client
    }
    const end = await client.ends()
    expect({ end, bytes: client.text }).toEqual({ end: 'reset', bytes: '' })
    return 'reset'
  }

  /** Asks several times, one after the other. */
  async askTimes(count: number, address: string, from?: string): Promise<string[]> {
    const names: string[] = []
    for (let n = 0; n < count; n++) names.push(await this.ask(address, from))
    return names
  }

  /** Whether somebody listens there. */
  async knock(address: string): Promise<'accepted' | 'refused'> {
    try {
      await using _ = await connectTcp(addressOf(address))
      return 'accepted'
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ECONNREFUSED') return 'refused'
      throw error
    }
  }

  /** A UDP client, on an address of its own if told. */
  udpClient(address: string, from?: string): Promise<UdpClient> {
    return this.keep(UdpClient.open(addressOf(address), from))
  }

  /** What the proxy says of one of its addresses: `TCP/127.70.1.1:8080`. */
  address(key: string): ProxyAddress | undefined {
    return this.proxy.addresses().find((address) => address.key === key)
  }

  /** State by address. */
  states(): Record<string, string> {
    return Object.fromEntries(this.proxy.addresses().map(({ key, status }) => [key, status.state]))
  }

  /** Records of sessions that ended, as soon as there are so many. */
  ended(count: number): Promise<readonly SessionRecord[]> {
    return eventually(() => {
      expect(this.records.length).toBeGreaterThanOrEqual(count)
      return this.records
    })
  }

  /** The value of a metric from `/metrics` at `address`, with the labels as written: `portald_x{service="default/web:"}`. */
  async metric(address: string, name: string): Promise<number | undefined> {
    const { text } = await askHttp(`http://${address}/metrics`)
    const line = text.split('\n').find((candidate) => candidate.startsWith(`${name} `))
    return line === undefined ? undefined : Number(line.slice(name.length + 1))
  }

  /** From now on this may go wrong inside. */
  expectFault(event: LogEvent): void {
    this.#expected.add(event)
  }

  /** Disposes it with the world. */
  async keep<T extends AsyncDisposable>(opening: Promise<T>): Promise<T> {
    return this.keepNow(await opening)
  }

  keepNow<T extends AsyncDisposable>(resource: T): T {
    return this.#stack.use(resource)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#disposed) return
    this.#disposed = true
    const addresses = this.proxy.addresses().filter(({ status }) => status.state !== 'failed')
    await this.#whole[Symbol.asyncDispose]()
    await this.#stack[Symbol.asyncDispose]()
    this.#expectNothingLeft()
    await Promise.all(addresses.map(({ key }) => expectFree(key)))
  }

  #expectNothingLeft(): void {
    const faults = this.log.lines.filter(({ event }) => FAULTS.includes(event) && !this.#expected.has(event))
    expect(faults, 'faults in the log').toEqual([])
    const { ledger, sessions } = this.proxy.read()
    expect(sessions, 'sessions of the engine').toBe(0)
    expect(activeCounts(ledger), 'sessions still counted').toEqual([])
    const ids = this.records.map(({ id }) => id)
    expect(new Set(ids).size, 'sessions told of once').toBe(ids.length)
  }

  #host(): string {
    return `${this.#network}.${++this.#lastHost}`
  }
}

/** What is still counted as running, by place. */
function activeCounts({ rows }: ReturnType<RunningProxy['read']>['ledger']): string[] {
  const found: string[] = []
  for (const [row, { services, active }] of rows.entries()) {
    for (let slot = 0; serviceBase(slot) < services.length; slot++) {
      const count = services[serviceBase(slot) + serviceCell('active')]
      if (count !== 0) found.push(`row ${row} service ${slot}: ${count}`)
    }
    for (const [slot, count] of active.entries()) if (count !== 0) found.push(`row ${row} endpoint ${slot}: ${count}`)
  }
  return found
}

/** Binds an address for a moment: `UDP/127.70.1.1:53`. */
async function expectFree(key: string): Promise<void> {
  const [protocol, address = ''] = key.split('/')
  const { ip, port } = addressOf(address)
  if (protocol === 'UDP') {
    const socket = createSocket(ip.includes(':') ? 'udp6' : 'udp4')
    socket.bind({ port, address: ip, exclusive: true })
    await once(socket, 'listening')
    await new Promise<void>((resolve) => socket.close(() => resolve()))
    return
  }
  const server = createServer().listen({ port, host: ip, ipv6Only: true, exclusive: true })
  await once(server, 'listening')
  await new Promise<void>((resolve) => server.close(() => resolve()))
}
