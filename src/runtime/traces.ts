import type { Clock } from '../lib/clock.ts'
import { ClientRanges } from '../listener/admission.ts'
import type { Engine, RunningSession } from '../listener/listener.ts'
import { showWords } from '../model/address.ts'
import { type EndpointKey, endpointAddress, type Port, showAddress } from '../model/keys.ts'
import { type ClientAddress, SESSION_ENDS } from '../model/session.ts'
import type { TraceSelection, TraceStep } from '../model/trace.ts'
import { createStepRing, type RawStep, STEP_KINDS, StepReader } from '../observe/step-ring.ts'
import { isOf } from './meant.ts'
import type { ListenerName } from './session-log.ts'

/** How often steps are read. */
const READ_EVERY_MS = 100
/** Traces at once: each costs memory, and threads look at every one for each step. */
const MOST_TRACES = 8
/** Sessions whose numbers and connections are looked for. */
const MOST_OPEN = 10_000

export interface TracesParts {
  readonly engine: Pick<Engine, 'trace' | 'list'>
  /** Threads that run sessions. */
  readonly workers: number
  readonly names: ReadonlyMap<number, ListenerName>
  readonly endpointName: (slot: number) => { readonly key: EndpointKey } | undefined
  readonly clock: Clock
}

interface Trace {
  readonly selection: TraceSelection
  readonly listeners: ReadonlySet<number>
  readonly clients: ClientRanges | undefined
  readonly take: (steps: readonly TraceStep[]) => void
}

/** What is known of a session that is followed and runs. */
interface OpenSession {
  id: number | undefined
  connected: boolean
}

/** Follows new sessions step by step for whoever asks. Threads write steps into rings only while somebody does; what the
 *  policy does not see, when an endpoint answered, is found by looking at the sessions that run. */
export class Traces {
  readonly #parts: TracesParts
  readonly #traces = new Set<Trace>()
  readonly #open = new Map<string, OpenSession>()
  #readers: readonly StepReader[] = []
  #rings: readonly SharedArrayBuffer[] = []
  /** The next look is on its way. */
  #armed = false
  /** Orders to the engine go one after another. */
  #work = Promise.resolve()

  constructor(parts: TracesParts) {
    this.#parts = parts
  }

  /** Gives every step to `take`, soon after, until disposed. Addresses that the Service gets later are not meant. Undefined:
   *  there are too many traces already, or no such Service (`nobody`). */
  open(selection: TraceSelection, take: (steps: readonly TraceStep[]) => void): Disposable | 'nobody' | 'too-many' {
    const listeners = new Set(
      [...this.#parts.names].filter(([, name]) => isOf(name.service, selection.service)).map(([id]) => id),
    )
    if (listeners.size === 0) return 'nobody'
    if (this.#traces.size >= MOST_TRACES) return 'too-many'
    const clients = selection.client && new ClientRanges([selection.client])
    const trace: Trace = { selection, listeners, clients, take }
    this.#traces.add(trace)
    this.#order()
    this.#arm()
    return {
      [Symbol.dispose]: () => {
        if (this.#traces.delete(trace)) this.#order()
      },
    }
  }

  #order(): void {
    const { engine, workers } = this.#parts
    if (this.#traces.size === 0) {
      this.#readers = []
      this.#rings = []
      this.#open.clear()
      this.#work = this.#work.then(() => engine.trace(undefined))
      return
    }
    if (this.#rings.length === 0) {
      this.#rings = Array.from({ length: workers }, createStepRing)
      this.#readers = this.#rings.map((ring) => new StepReader(ring))
    }
    const filters = [...this.#traces].map(({ listeners, selection }) => ({
      listeners: [...listeners],
      clients: selection.client ? [selection.client] : [],
    }))
    const order = { filters, rings: this.#rings }
    this.#work = this.#work.then(() => engine.trace(order))
  }

  #arm(): void {
    if (this.#armed) return
    this.#armed = true
    this.#parts.clock.after(READ_EVERY_MS, async () => {
      await this.#read()
      this.#armed = false
      if (this.#traces.size > 0) this.#arm()
    })
  }

  async #read(): Promise<void> {
    const steps = this.#readers.flatMap((reader) => reader.drain()).sort((a, b) => a.atMs - b.atMs)
    const lost = this.#readers.reduce((sum, reader) => sum + reader.lost(), 0)
    for (const step of steps) this.#note(step)
    const running = await this.#running()
    for (const trace of this.#traces) {
      const lines = steps.filter((step) => isMeant(trace, step.listener, step)).flatMap((step) => this.#tell(step, running))
      if (lost > 0) lines.push({ time: this.#time(this.#parts.clock.now()), step: 'lost', count: lost })
      const told = new Set(steps.map(keyOf))
      for (const [key, session] of running) {
        if (told.has(key) || !isMeant(trace, session.listener, session.client)) continue
        lines.push(...this.#connected(session, key))
      }
      if (lines.length > 0) trace.take(lines)
    }
    for (const [key, session] of running) {
      const open = this.#open.get(key)
      if (open && session.connectMs >= 0) open.connected = true
    }
    for (const step of steps) if (STEP_KINDS[step.kind] === 'ended') this.#open.delete(keyOf(step))
  }

  #note(step: RawStep): void {
    const key = keyOf(step)
    const kind = STEP_KINDS[step.kind]
    if ((kind === 'began' || kind === 'introduced') && this.#open.size < MOST_OPEN)
      this.#open.set(key, { id: undefined, connected: false })
    const open = this.#open.get(key)
    if (kind === 'ended' && open) open.id = step.id
  }

  /** The sessions that are followed and run, by listener and client. */
  async #running(): Promise<ReadonlyMap<string, RunningSession>> {
    const found = new Map<string, RunningSession>()
    if (![...this.#open.values()].some(({ id, connected }) => id === undefined || !connected)) return found
    const listeners = [...new Set([...this.#traces].flatMap((trace) => [...trace.listeners]))]
    const { sessions } = await this.#parts.engine.list({ listeners }, MOST_OPEN)
    for (const session of sessions) {
      const key = keyOf({ ...session.client, listener: session.listener })
      const open = this.#open.get(key)
      if (!open || open.connected) continue
      open.id ??= session.id
      found.set(key, session)
    }
    return found
  }

  #tell(step: RawStep, running: ReadonlyMap<string, RunningSession>): TraceStep[] {
    const key = keyOf(step)
    const kind = STEP_KINDS[step.kind] as (typeof STEP_KINDS)[number]
    const open = this.#open.get(key)
    const line: TraceStep = {
      time: this.#time(step.atMs),
      step: kind,
      id: kind === 'ended' ? step.id : open?.id,
      client: showAddress({ ip: showWords(step), port: step.port as Port }),
      local: this.#parts.names.get(step.listener)?.local,
      endpoint: this.#endpoint(step.lease),
    }
    if (kind === 'chosen') {
      const session = running.get(key)
      const isLast = session?.lease === step.lease
      return [{ ...line, attempt: step.value }, ...(isLast ? this.#connected(session, key) : [])]
    }
    if (kind === 'failed') return [{ ...line, how: step.value === 1 ? 'timed-out' : 'refused' }]
    if (kind !== 'ended') return [line]
    const { durationMs, bytesFromClient, bytesFromEndpoint } = step
    const ended = { ...line, end: SESSION_ENDS[step.value], durationMs: micro(durationMs), bytesFromClient, bytesFromEndpoint }
    if (step.connectMs < 0 || open?.connected) return [ended]
    return [{ ...line, step: 'connected', connectMs: micro(step.connectMs) }, ended]
  }

  #connected({ id, connectMs, lease, client, listener, lastMs }: RunningSession, key: string): TraceStep[] {
    if (connectMs < 0 || this.#open.get(key)?.connected !== false) return []
    return [
      {
        time: this.#time(lastMs),
        step: 'connected',
        id,
        client: showAddress({ ip: showWords(client), port: client.port as Port }),
        local: this.#parts.names.get(listener)?.local,
        endpoint: this.#endpoint(lease),
        connectMs: micro(connectMs),
      },
    ]
  }

  #endpoint(lease: number): string | undefined {
    const name = lease < 0 ? undefined : this.#parts.endpointName(lease)
    return name && endpointAddress(name.key)
  }

  #time(atMs: number): string {
    const { clock } = this.#parts
    return new Date(clock.wall() - (clock.now() - atMs)).toISOString()
  }
}

function isMeant({ listeners, clients }: Trace, listener: number, client: ClientAddress): boolean {
  return listeners.has(listener) && (!clients || clients.contains(client))
}

function keyOf({ listener, word0, word1, word2, word3, port }: ClientAddress & { readonly listener: number }): string {
  return `${listener} ${word0 >>> 0} ${word1 >>> 0} ${word2 >>> 0} ${word3 >>> 0} ${port}`
}

function micro(ms: number): number {
  return Math.round(ms * 1000) / 1000
}
