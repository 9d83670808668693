import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { ProxyInputs } from './whole-proxy.ts'
import { within } from './within.ts'

/** What a process holds, after its garbage was collected. */
export interface Footprint {
  readonly descriptors: number
  readonly residentBytes: number
  readonly heapBytes: number
  readonly sessions: number
  /** Used since the process began. */
  readonly cpuMs: number
}

export type ChildRequest = { readonly ticket: number } & (
  | { readonly do: 'open'; readonly inputs: ProxyInputs; readonly objects: readonly unknown[] }
  | { readonly do: 'apply'; readonly objects: readonly unknown[] }
  | { readonly do: 'measure' | 'close' }
)
export interface ChildAnswer {
  readonly ticket: number
  readonly footprint?: Footprint
  readonly error?: string
}

type Request = ChildRequest extends infer R ? (R extends unknown ? Omit<R, 'ticket'> : never) : never

const CHILD = join(import.meta.dirname, 'proxy-child.ts')

/** A whole proxy in a process of its own, so that what it holds can be measured; killed when disposed. */
export class ProxyProcess implements AsyncDisposable {
  readonly #child: ChildProcess
  readonly #waiting = new Map<number, (answer: ChildAnswer) => void>()
  readonly #gone: Promise<never>
  #nextTicket = 1
  #err = ''

  private constructor(child: ChildProcess) {
    this.#child = child
    child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
      this.#err += chunk
    })
    child.on('message', (answer: ChildAnswer) => {
      this.#waiting.get(answer.ticket)?.(answer)
      this.#waiting.delete(answer.ticket)
    })
    this.#gone = new Promise((_, reject) => {
      child.once('exit', (code, signal) => reject(new Error(`the proxy's process ended: ${code ?? signal}\n${this.#err}`)))
    })
    this.#gone.catch(() => {})
  }

  /** Opens the proxy. `limit`: how many descriptors the process may hold. */
  static async open(inputs: ProxyInputs, objects: readonly unknown[], limit?: number): Promise<ProxyProcess> {
    const node = [process.execPath, '--expose-gc', CHILD]
    const command = limit === undefined ? node : ['sh', '-c', `ulimit -n ${limit}; exec "$@"`, 'sh', ...node]
    const child = spawn(command[0] as string, command.slice(1), {
      env: { PATH: process.env['PATH'] },
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    })
    const proxy = new ProxyProcess(child)
    await proxy.#ask({ do: 'open', inputs, objects })
    return proxy
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  /** Serves these objects and no others; resolves when that is in force. */
  async apply(objects: readonly unknown[]): Promise<void> {
    await this.#ask({ do: 'apply', objects })
  }

  async measure(): Promise<Footprint> {
    const { footprint } = await this.#ask({ do: 'measure' })
    return footprint as Footprint
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    this.#child.kill('SIGKILL')
    await once(this.#child, 'exit')
  }

  async #ask(request: Request): Promise<ChildAnswer> {
    const ticket = this.#nextTicket++
    const { promise, resolve } = Promise.withResolvers<ChildAnswer>()
    this.#waiting.set(ticket, resolve)
    this.#child.send({ ...request, ticket })
    const answer = await within(`the proxy's process to ${request.do}`, Promise.race([promise, this.#gone]))
    if (answer.error !== undefined) throw new Error(answer.error)
    return answer
  }
}
