import { type IncomingMessage, request } from 'node:http'
import { request as requestInTls } from 'node:https'
import { errnoOf, messageOf, ProxyError } from '../../lib/errors.ts'
import { isLoopback } from '../../model/address.ts'
import { type ProcessOwner, socketPath } from '../../model/admin-address.ts'
import { parseAdminAddress } from '../../model/config-value.ts'
import { showAddress } from '../../model/keys.ts'

/** What stands behind the `?` of a request; undefined ones are left out. */
export type AdminQuery = Readonly<Record<string, string | readonly string[] | undefined>>

/** Asks a running portald by its admin API. Every method throws a `ProxyError` E_ASK that says what to do when it is not
 *  answered, or refused. */
export interface AdminClient {
  get<T>(path: string, query?: AdminQuery): Promise<T>
  send<T>(method: 'PUT' | 'POST' | 'DELETE', path: string, query?: AdminQuery): Promise<T>
  /** Applies an object to what stands at a path: its fields are as in `object` from then on. */
  apply(path: string, object: object): Promise<{ readonly created: boolean }>
  /** Gives every line of an answer that goes on to `take`, until it ends or `signal` aborts. */
  follow(path: string, query: AdminQuery, take: (line: string) => void, signal: AbortSignal): Promise<void>
}

/** How long an answer may take to begin. */
const PATIENCE_MS = 30_000

/** What lets a command in where not everybody is. */
export interface AdminCredentials {
  /** Undefined: none is sent. It goes nowhere but over a Unix socket, loopback, or TLS. */
  readonly token?: string | undefined
  /** The certificate, as text, of the authority that is trusted; undefined: those of the system. */
  readonly ca?: string | undefined
}

/** `text` is `unix:PATH`, `unix:` for the usual place, `IP:PORT`, or `https://NAME:PORT`. Everything but Unix sockets and
 *  loopback addresses is asked in TLS.
 *  @throws ProxyError E_CONFIG when it is none of these, or there is no usual place. */
export function createAdminClient(text: string, owner: ProcessOwner, { token, ca }: AdminCredentials = {}): AdminClient {
  const { at, shown, tls } = placeOf(text, owner)
  const headers = token ? { authorization: `Bearer ${token}` } : {}

  function open(method: string, url: string, signal?: AbortSignal, body?: string): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const options = {
        ...at,
        method,
        path: url,
        headers: body === undefined ? headers : { ...headers, ...APPLY },
        agent: false,
        ...(signal && { signal }),
        ...(tls && ca && { ca }),
      } as const
      const asking = tls ? requestInTls(options, resolve) : request(options, resolve)
      asking.setTimeout(PATIENCE_MS, () => asking.destroy(new ProxyError('E_ASK', 'system', `${shown}: no answer within 30s`)))
      asking.on('error', (error) => reject(signal?.aborted ? error : unreachable(shown, error)))
      asking.end(body)
    })
  }

  async function ask<T>(method: string, path: string, query: AdminQuery = {}): Promise<T> {
    const response = await open(method, withQuery(path, query))
    const body = await textOf(response, shown)
    if (response.statusCode !== 200) throw refused(response.statusCode ?? 0, body)
    return JSON.parse(body) as T
  }

  return {
    get: (path, query) => ask('GET', path, query),
    send: (method, path, query) => ask(method, path, query),
    async apply(path, object) {
      const response = await open('PATCH', path, undefined, JSON.stringify(object))
      const body = await textOf(response, shown)
      const { statusCode = 0 } = response
      if (statusCode !== 200 && statusCode !== 201) throw refused(statusCode, body)
      return { created: statusCode === 201 }
    },
    async follow(path, query, take, signal) {
      const response = await open('GET', withQuery(path, query), signal)
      if (response.statusCode !== 200) throw refused(response.statusCode ?? 0, await textOf(response, shown))
      response.socket.setTimeout(0)
      try {
        let rest = ''
        for await (const chunk of response.setEncoding('utf8') as AsyncIterable<string>) {
          const lines = (rest + chunk).split('\n')
          rest = lines.pop() ?? ''
          for (const line of lines) take(line)
        }
      } catch (error) {
        if (!signal.aborted) throw unreachable(shown, error)
      }
    },
  }
}

/** Server-side apply; JSON is YAML. */
const APPLY = { 'content-type': 'application/apply-patch+yaml' }

/** Where to ask. */
interface Place {
  readonly at: { readonly socketPath: string } | { readonly host: string; readonly port: number }
  readonly shown: string
  readonly tls: boolean
}

function placeOf(text: string, owner: ProcessOwner): Place {
  const [, host, port] = /^https:\/\/([^/:]+|\[[^\]/]+\]):(\d+)\/?$/.exec(text) ?? []
  if (host !== undefined) return { at: { host: host.replace(/^\[(.*)\]$/, '$1'), port: Number(port) }, shown: text, tls: true }
  const address = parseAdminAddress(text)
  if (!address) {
    const message = `--admin: "${text}": must be unix:PATH, IP:PORT or https://NAME:PORT`
    throw new ProxyError('E_CONFIG', 'config', `${message}, where portald answers`)
  }
  if (address.kind === 'tcp') {
    return { at: { host: address.ip, port: address.port }, shown: showAddress(address), tls: !isLoopback(address.ip) }
  }
  const path = socketPath(address, owner)
  if (path !== undefined) return { at: { socketPath: path }, shown: `unix:${path}`, tls: false }
  const message = '--admin: XDG_RUNTIME_DIR is not set: give --admin unix:PATH, as portald was given it'
  throw new ProxyError('E_CONFIG', 'config', message)
}

async function textOf(response: IncomingMessage, shown: string): Promise<string> {
  try {
    let text = ''
    for await (const chunk of response.setEncoding('utf8') as AsyncIterable<string>) text += chunk
    return text
  } catch (error) {
    throw unreachable(shown, error)
  }
}

function withQuery(path: string, query: AdminQuery): string {
  const pairs = Object.entries(query).flatMap(([key, value]) =>
    (typeof value === 'string' ? [value] : (value ?? [])).map((one): [string, string] => [key, one]),
  )
  return pairs.length === 0 ? path : `${path}?${new URLSearchParams(pairs)}`
}

function unreachable(shown: string, error: unknown): ProxyError {
  if (error instanceof ProxyError) return error
  const code = errnoOf(error)
  if (code === 'EACCES' || code === 'EPERM') {
    return new ProxyError('E_ASK', 'system', `${shown}: this user may not: run it as the user that portald runs as`, error)
  }
  if (code && /^(?:DEPTH_ZERO|SELF_SIGNED|UNABLE_TO|CERT_|ERR_TLS_)/.test(code)) {
    const fix = 'name the authority to trust with --admin-ca FILE'
    return new ProxyError('E_ASK', 'system', `${shown}: its certificate is not trusted (${code}): ${fix}`, error)
  }
  const nobody = code === 'ECONNREFUSED' || code === 'ENOENT'
  const why = nobody ? 'no portald answers there: is it running, and with this --admin?' : messageOf(error)
  return new ProxyError('E_ASK', 'system', `${shown}: ${why}`, error)
}

/** Every refusal is a Status of the Kubernetes API. */
function refused(code: number, body: string): ProxyError {
  let message = `it answered ${code}`
  try {
    message = (JSON.parse(body) as { message?: string }).message ?? message
  } catch {}
  if (code === 401) message += '; set PORTALD_ADMIN_TOKEN to a token of its --admin-token-file'
  // What was asked was wrong, or could not be done.
  return new ProxyError('E_ASK', code === 400 ? 'config' : 'system', message)
}
