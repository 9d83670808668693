import { type ClientRequest, type IncomingMessage, request as requestPlain } from 'node:http'
import { request as requestTls } from 'node:https'
import { pipeline } from 'node:stream'
import { createGunzip } from 'node:zlib'
import type { Clock, Timer } from '../../lib/clock.ts'
import { messageOf } from '../../lib/errors.ts'
import { createByteLines } from './byte-lines.ts'
import type { CredentialSource } from './credentials.ts'
import { broken, type Failure, failureOfStatus } from './failure.ts'

/** A GET of the API. */
export interface ApiCall {
  readonly path: string
  readonly query: Readonly<Record<string, string>>
  readonly renew: boolean
}

/** What a watch is told, in this order. */
export interface WatchListener {
  opened(): void
  /** False: enough. */
  line(text: string): boolean
  /** How much silence is allowed from now on. */
  idleMs(): number
}

/** Speaks HTTP with one API server. Nothing rejects: what goes wrong is a {@link Failure}. */
export interface ApiClient {
  /** The whole answer as JSON. */
  get(call: ApiCall, signal: AbortSignal): Promise<{ readonly body: unknown } | { readonly failure: Failure }>
  /** Reads lines until the server ends them, which is undefined, or something fails. */
  watch(call: ApiCall, longestMs: number, listener: WatchListener, signal: AbortSignal): Promise<Failure | undefined>
}

/** A server answers, or says that it cannot, within a minute; so long may a list be silent, too. */
const SILENCE_MS = 60_000
const KEEP_ALIVE_MS = 15_000
/** A page of 500 objects of the largest size that a cluster stores. */
const MOST_BODY_BYTES = 768 * 2 ** 20
const MOST_ERROR_BYTES = 64 * 1024
const MOST_LINE_BYTES = 16 * 2 ** 20

/** Why a request was ended by us: it becomes its failure. */
interface Ended {
  readonly message: string
  readonly silent?: boolean
}

/** What every function here works with. */
interface Connection {
  readonly response: IncomingMessage
  /** Restarts the count of silence. */
  heard(idleMs: number): void
  end(reason: Ended): void
}

/** Makes one. `userAgent` is what the server's audit log shows. */
export function createApiClient(credentials: CredentialSource, clock: Clock, userAgent: string): ApiClient {
  /** Asks, hands the answer to `use`, and cleans up after it, whichever way it went. */
  async function call<T>(
    { path, query, renew }: ApiCall,
    signal: AbortSignal,
    use: (connection: Connection) => Promise<T>,
  ): Promise<T | { readonly failure: Failure }> {
    let silence: Timer | undefined
    let ended: Ended | undefined
    let asking: ClientRequest | undefined
    const cut = Promise.withResolvers<undefined>()
    const end = (reason: Ended): void => {
      ended ??= reason
      asking?.destroy()
      cut.resolve(undefined)
    }
    const stop = (): void => end({ message: 'stopped' })
    const heard = (idleMs: number): void => {
      silence?.[Symbol.dispose]()
      silence = clock.after(idleMs, () => end({ message: `nothing was heard for ${idleMs / 1000} s`, silent: true }))
    }
    try {
      if (signal.aborted) return { failure: broken('stopped') }
      signal.addEventListener('abort', stop)
      heard(SILENCE_MS)
      // A plugin may take its time, but not forever.
      const found = await Promise.race([credentials(renew), cut.promise])
      if (!found) return { failure: failureOf(ended ?? { message: 'stopped' }) }
      const { server, options } = found
      const search = new URLSearchParams(query).toString()
      const target = new URL(`${server.href.replace(/\/$/, '')}${path}?${search}`)
      const headers = { ...options.headers, accept: 'application/json', 'accept-encoding': 'gzip', 'user-agent': userAgent }
      const sent = (target.protocol === 'http:' ? requestPlain : requestTls)(target, { ...options, headers })
      asking = sent
      const response = await new Promise<IncomingMessage>((resolve, reject) => {
        sent.on('socket', (socket) => socket.setKeepAlive(true, KEEP_ALIVE_MS))
        sent.on('response', resolve).on('error', reject).end()
      })
      // What comes after the answer began is told by its body; without a listener it would end the process.
      sent.on('error', () => {})
      const connection = { response, heard, end }
      if (response.statusCode === 200) return await use(connection)
      return { failure: await readRefusal(connection) }
    } catch (error) {
      return { failure: ended ? failureOf(ended) : broken(messageOf(error)) }
    } finally {
      silence?.[Symbol.dispose]()
      signal.removeEventListener('abort', stop)
      stop()
    }
  }

  return {
    get: (what, signal) =>
      call(what, signal, async (connection) => ({ body: JSON.parse(await readText(connection, MOST_BODY_BYTES)) as unknown })),
    async watch(what, longestMs, listener, signal) {
      const outcome = await call(what, signal, async (connection) => {
        using _longest = clock.after(longestMs, () =>
          connection.end({ message: 'the server did not end the watch', silent: true }),
        )
        const lines = createByteLines(MOST_LINE_BYTES)
        connection.heard(listener.idleMs())
        listener.opened()
        for await (const chunk of bodyOf(connection.response)) {
          const whole = lines.push(chunk)
          if (!whole) return { failure: broken(`a line has more than ${MOST_LINE_BYTES} bytes`) }
          for (const line of whole) if (!listener.line(line)) return undefined
          connection.heard(listener.idleMs())
        }
        return undefined
      })
      return outcome?.failure
    },
  }
}

function failureOf({ message, silent = false }: Ended): Failure {
  return { ...broken(message), silent }
}

function bodyOf(response: IncomingMessage): AsyncIterable<Buffer> {
  if (response.headers['content-encoding'] !== 'gzip') return response
  // Its callback would say again what reading from the end of it says.
  return pipeline(response, createGunzip(), () => {})
}

async function readText({ response, heard, end }: Connection, mostBytes: number): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of bodyOf(response)) {
    heard(SILENCE_MS)
    bytes += chunk.length
    if (bytes > mostBytes) end({ message: `an answer has more than ${mostBytes} bytes` })
    else chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

/** What an answer other than 200 says. */
async function readRefusal(connection: Connection): Promise<Failure> {
  const { statusCode: status, headers, statusMessage } = connection.response
  const text = await readText(connection, MOST_ERROR_BYTES).catch(() => '')
  let said: Failure | undefined
  try {
    const body = JSON.parse(text) as unknown
    if (typeof body === 'object' && body !== null && 'message' in body) said = failureOfStatus(body)
  } catch {
    // Proxies and load balancers in between answer what they like.
  }
  const seconds = Number(headers['retry-after'])
  const retryAfterMs = Math.max(said?.retryAfterMs ?? 0, seconds > 0 ? seconds * 1000 : 0)
  return { status, message: said?.message ?? `${status} ${statusMessage ?? ''}`.trim(), retryAfterMs }
}
