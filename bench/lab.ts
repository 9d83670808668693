import { createSocket } from 'node:dgram'
import { rmSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Address, OpenSubject } from './subjects/subject.ts'
import { findProgram } from './tools/installed.ts'

/** Ports of subjects lie below the range of ephemeral ports. */
const FIRST_SUBJECT_PORT = 21_000
const READY_TIMEOUT_MS = 20_000
const LISTENERS_PER_SUBNET = 200
const FIRST_OCTET = 98
const OCTETS = 100

/** Which cores the proxy has and which are left for load and endpoints. */
export interface Cores {
  readonly proxy: readonly number[]
  readonly load: readonly number[]
  /** As `taskset -c` takes them; undefined where pinning is impossible. */
  readonly proxyPin: string | undefined
  readonly loadPin: string | undefined
  /** Threads for a load generator, and as many for its endpoint. */
  readonly loadThreads: number
}

/** The machine for one run: its cores, addresses, and a folder for generated files. */
export interface Lab extends AsyncDisposable {
  readonly directory: string
  cores(workers: number): Cores
  /** How the cores are divided, in one sentence. */
  describePinning(): string
  /** The n-th listen address of the run. */
  listenerIp(index: number): string
  /** The n-th endpoint address of the run. */
  endpointIp(index: number): string
  subjectPort(subjectIndex: number): number
}

export function divideCores(count: number, workers: number, canPin: boolean): Cores {
  const every = Array.from({ length: count }, (_, core) => core)
  const proxy = canPin ? every.slice(0, Math.min(workers, count - 1)) : every
  const load = canPin ? every.slice(proxy.length) : every
  return {
    proxy,
    load,
    proxyPin: canPin ? proxy.join(',') : undefined,
    loadPin: canPin ? load.join(',') : undefined,
    loadThreads: Math.max(1, load.length >> 1),
  }
}

export async function openLab(): Promise<Lab> {
  const directory = await mkdtemp(join(tmpdir(), 'portald-bench-'))
  const remove = () => rmSync(directory, { recursive: true, force: true })
  // Also when the run is interrupted.
  process.once('exit', remove)
  const count = cpus().length
  const canPin = count > 1 && findProgram('taskset') !== undefined
  // Two runs at once disturb each other, but do not share an address.
  const subnet = `127.${FIRST_OCTET + (process.pid % OCTETS)}`
  return {
    directory,
    cores: (workers) => divideCores(count, workers, canPin),
    describePinning() {
      if (!canPin) return count > 1 ? 'nothing pinned: taskset is not installed' : 'nothing pinned: one core for everything'
      const { proxyPin, loadPin } = divideCores(count, 1, canPin)
      return `proxy pinned to core ${proxyPin}, load and endpoints to core ${loadPin}`
    },
    listenerIp: (index) => `${subnet}.${Math.floor(index / LISTENERS_PER_SUBNET)}.${1 + (index % LISTENERS_PER_SUBNET)}`,
    endpointIp: (index) => `${subnet}.250.${1 + index}`,
    subjectPort: (subjectIndex) => FIRST_SUBJECT_PORT + subjectIndex,
    async [Symbol.asyncDispose]() {
      process.off('exit', remove)
      remove()
    },
  }
}

/** Fails if anything listens there: two processes on one port would share it silently through `SO_REUSEPORT`. */
export async function assertFree(protocol: 'tcp' | 'udp', address: Address): Promise<void> {
  const what = `${protocol} ${address.ip}:${address.port}`
  try {
    if (protocol === 'tcp') {
      const server = createServer()
      await new Promise<void>((resolve, reject) => server.once('error', reject).listen(address.port, address.ip, resolve))
      await new Promise((resolve) => server.close(resolve))
      return
    }
    const socket = createSocket('udp4')
    await new Promise<void>((resolve, reject) => socket.once('error', reject).bind(address.port, address.ip, resolve))
    await new Promise<void>((resolve) => socket.close(resolve))
  } catch (error) {
    throw new Error(`${what}: not free (${error instanceof Error ? error.message : error})`)
  }
}

export const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))

/** True if one TCP connection is accepted and, where something is to be sent, answered. */
export function answers(address: Address, say: string | undefined, timeoutMs = 1000): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port: address.port, host: address.ip })
    const end = (yes: boolean) => {
      clearTimeout(timer)
      socket.destroy()
      resolve(yes)
    }
    const timer = setTimeout(end, timeoutMs, false)
    socket.once('connect', () => (say === undefined ? end(true) : socket.write(say)))
    socket.once('data', () => end(true))
    socket.once('error', () => end(false))
    socket.once('close', () => end(false))
  })
}

function udpAnswers(address: Address, timeoutMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createSocket('udp4')
    const end = (yes: boolean) => {
      clearTimeout(timer)
      socket.close()
      resolve(yes)
    }
    const timer = setTimeout(end, timeoutMs, false)
    socket.once('message', () => end(true))
    socket.once('error', () => end(false))
    socket.connect(address.port, address.ip, () => socket.send('ready?'))
  })
}

export interface ReadyProbe {
  readonly protocol: 'tcp' | 'udp'
  /** What makes the endpoint answer; without it an accepted TCP connection is enough. */
  readonly say?: string
}

/** Resolves when the subject forwards, rejects when it ends or does not within `READY_TIMEOUT_MS`. */
export async function untilForwards(subject: OpenSubject, address: Address, probe: ReadyProbe): Promise<void> {
  const deadline = performance.now() + READY_TIMEOUT_MS
  while (performance.now() < deadline) {
    const gone = subject.gone()
    if (gone !== undefined) throw new Error(gone)
    if (probe.protocol === 'tcp' ? await answers(address, probe.say) : await udpAnswers(address, 300)) return
    await pause(5)
  }
  throw new Error(`does not forward ${probe.protocol} ${address.ip}:${address.port} within ${READY_TIMEOUT_MS} ms`)
}
