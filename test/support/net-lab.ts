import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { PeerRequest } from './net-peer.ts'
import { within } from './within.ts'

const PEER = join(import.meta.dirname, 'net-peer.ts')

/** Why there can be no lab here; undefined: there can. */
export const noNamespaces = lookForNamespaces()

function lookForNamespaces(): string | undefined {
  if (process.platform !== 'linux') return 'needs Linux'
  if (process.getuid?.() !== 0) return 'needs root'
  const name = `portald-${process.pid}-try`
  try {
    execFileSync('ip', ['netns', 'add', name], { stdio: 'pipe' })
    try {
      for (const command of [
        ['netns', 'exec', name, 'ip', 'link', 'set', 'lo', 'up'],
        ['-n', name, 'link', 'add', 'one', 'type', 'veth', 'peer', 'name', 'other'],
        ['-n', name, '-6', 'addr', 'add', '2001:db8::1/64', 'dev', 'one'],
      ]) {
        execFileSync('ip', command, { stdio: 'pipe' })
      }
    } finally {
      execFileSync('ip', ['netns', 'del', name], { stdio: 'pipe' })
    }
    return undefined
  } catch (error) {
    return `no namespaces, wires or IPv6: ${String((error as { stderr?: unknown }).stderr ?? error).trim()}`
  }
}

/** A host of the lab: a namespace with a process that does what it is asked. */
export class Host implements AsyncDisposable {
  readonly namespace: string
  readonly #peer: ChildProcess
  readonly #waiting = new Map<number, (text: string) => void>()
  #ticket = 0

  constructor(namespace: string) {
    this.namespace = namespace
    this.#peer = spawn('ip', ['netns', 'exec', namespace, process.execPath, PEER], {
      env: { PATH: process.env['PATH'] },
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    this.#peer.on('message', ({ ticket, text }: { ticket: number; text: string }) => {
      this.#waiting.get(ticket)?.(text)
      this.#waiting.delete(ticket)
    })
  }

  /** What its process answers. */
  async ask(request: PeerRequest): Promise<string> {
    const ticket = ++this.#ticket
    const answer = new Promise<string>((resolve) => this.#waiting.set(ticket, resolve))
    this.#peer.send({ ticket, request })
    return await within(`${this.namespace} to ${request.do}`, answer)
  }

  tcp(ip: string, port: number): Promise<string> {
    return this.ask({ do: 'ask', protocol: 'TCP', ip, port })
  }

  udp(ip: string, port: number): Promise<string> {
    return this.ask({ do: 'ask', protocol: 'UDP', ip, port })
  }

  /** Runs `ip` in its namespace; what it printed. */
  ip(...args: readonly string[]): Promise<string> {
    return runIp(['-n', this.namespace, ...args])
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#peer.kill('SIGKILL')
    if (this.#peer.exitCode === null && this.#peer.signalCode === null) await once(this.#peer, 'exit')
    await runIp(['netns', 'del', this.namespace])
  }
}

/** The client's address of each family, and the node's on that side. */
export const CLIENT = { 4: '192.0.2.2', 6: '2001:db8:1::2' } as const
export const NODE = { 4: '192.0.2.1', 6: '2001:db8:1::1' } as const
/** Addresses of the hosts behind the node, in the order of {@link NetLab.endpoints}. */
export const ENDPOINTS = { 4: ['198.51.100.2', '203.0.113.2'], 6: ['2001:db8:2::2', '2001:db8:3::2'] } as const
/** What they answer on, TCP and UDP. */
export const ENDPOINT_PORT = 9_000

const LINKS = [
  { name: 'c', node: ['192.0.2.1/24', '2001:db8:1::1/64'], host: ['192.0.2.2/24', '2001:db8:1::2/64'] },
  { name: 'a', node: ['198.51.100.1/24', '2001:db8:2::1/64'], host: ['198.51.100.2/24', '2001:db8:2::2/64'] },
  { name: 'b', node: ['203.0.113.1/24', '2001:db8:3::1/64'], host: ['203.0.113.2/24', '2001:db8:3::2/64'] },
] as const

const NAMES = ['n', ...LINKS.map(({ name }) => name)]

/** Four machines: a client and two endpoints `a` and `b`, each on a wire of its own to a node in the middle, which is where every
 *  one of them sends what it does not know the way of. The node forwards nothing. Both families. */
export class NetLab implements AsyncDisposable {
  static #count = 0
  readonly client: Host
  readonly node: Host
  readonly endpoints: readonly [Host, Host]

  private constructor(node: Host, hosts: readonly [Host, Host, Host]) {
    this.node = node
    this.client = hosts[0]
    this.endpoints = [hosts[1], hosts[2]]
  }

  static async open(): Promise<NetLab> {
    const prefix = `portald-${process.pid}-${++NetLab.#count}`
    try {
      return await NetLab.#build((name) => `${prefix}-${name}`)
    } catch (error) {
      for (const name of NAMES) await runIp(['netns', 'del', `${prefix}-${name}`]).catch(() => {})
      throw error
    }
  }

  static async #build(namespace: (name: string) => string): Promise<NetLab> {
    for (const name of NAMES) {
      await runIp(['netns', 'add', namespace(name)])
      await runIp(['-n', namespace(name), 'link', 'set', 'lo', 'up'])
    }
    for (const { name, node, host } of LINKS) {
      const there = ['peer', 'name', 'up0', 'netns', namespace(name)]
      await runIp(['link', 'add', `to-${name}`, 'netns', namespace('n'), 'type', 'veth', ...there])
      await plug(namespace('n'), `to-${name}`, node)
      await plug(namespace(name), 'up0', host)
      await runIp(['-n', namespace(name), 'route', 'add', 'default', 'via', bare(node[0])])
      await runIp(['-n', namespace(name), '-6', 'route', 'add', 'default', 'via', bare(node[1])])
    }
    const hosts = LINKS.map(({ name }) => new Host(namespace(name))) as unknown as [Host, Host, Host]
    const lab = new NetLab(new Host(namespace('n')), hosts)
    for (const [n, name] of (['a', 'b'] as const).entries()) {
      for (const family of [4, 6] as const) {
        const ip = ENDPOINTS[family][n] as string
        await lab.endpoints[n as 0 | 1].ask({ do: 'serve', name, ip, port: ENDPOINT_PORT })
      }
    }
    return lab
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const host of [this.client, ...this.endpoints, this.node]) await host[Symbol.asyncDispose]()
  }
}

async function plug(namespace: string, device: string, addresses: readonly string[]): Promise<void> {
  for (const address of addresses) {
    const noDetection = address.includes(':') ? ['nodad'] : []
    await runIp(['-n', namespace, 'addr', 'add', address, 'dev', device, ...noDetection])
  }
  await runIp(['-n', namespace, 'link', 'set', device, 'up'])
}

function bare(address: string): string {
  return address.split('/')[0] as string
}

function runIp(args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile('ip', args, (error, out, err) => {
      if (error) reject(new Error(`ip ${args.join(' ')}: ${err.trim() || error.message}`))
      else resolve(out)
    })
  })
}
