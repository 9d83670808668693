import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { gzipSync } from 'node:zlib'
import type { Json } from './objects.ts'

/** A request that came. */
export interface ApiHit {
  readonly path: string
  readonly query: URLSearchParams
  readonly authorization: string | undefined
}

/** What a test does instead of the server, with one request that it was waiting for. */
type Fault = (request: IncomingMessage, response: ServerResponse, hit: ApiHit) => void

interface Change {
  readonly version: number
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'
  readonly path: string
  readonly object: Json
}

interface Watch {
  readonly path: string
  readonly node: string | undefined
  readonly response: ServerResponse
}

export interface FakeApiOptions {
  readonly ip: string
  readonly port?: number
  /** Which forms of endpoints it has; v1 slices when left out. */
  readonly endpoints?: 'v1' | 'v1beta1' | 'endpoints'
  /** Whether it sends lists through watches; not when left out, as before Kubernetes 1.32. */
  readonly watchLists?: boolean
  /** Whether it compresses lists. */
  readonly gzip?: boolean
}

const PATHS = {
  Service: '/api/v1/services',
  Endpoints: '/api/v1/endpoints',
  Node: '/api/v1/nodes',
  v1: '/apis/discovery.k8s.io/v1/endpointslices',
  v1beta1: '/apis/discovery.k8s.io/v1beta1/endpointslices',
} as const
export const SERVICES: string = PATHS.Service
export const SLICES: string = PATHS.v1

/** The part of a Kubernetes API server that a reader sees: lists in pages, watches, bookmarks and history that is forgotten.
 *  Real HTTP on loopback. A test may put a fault in the place of any answer. */
export class FakeApiServer implements AsyncDisposable {
  readonly hits: ApiHit[] = []
  /** The newest resourceVersion; a test may set it back, as a restored backup does. */
  version = 100
  /** Who may read; empty: everyone. */
  token = ''
  readonly #options: FakeApiOptions
  readonly #objects = new Map<string, { path: string; object: Json; version: number }>()
  #history: Change[] = []
  #oldest = 0
  #watches = new Set<Watch>()
  #faults: { readonly matches: (hit: ApiHit) => boolean; readonly fault: Fault }[] = []
  readonly #server = createServer((request, response) => this.#answer(request, response))
  #url = ''

  private constructor(options: FakeApiOptions) {
    this.#options = options
  }

  static async open(options: FakeApiOptions): Promise<FakeApiServer> {
    const api = new FakeApiServer(options)
    api.#server.listen(options.port ?? 0, options.ip)
    await once(api.#server, 'listening')
    const { address, port } = api.#server.address() as AddressInfo
    api.#url = `http://${address}:${port}`
    return api
  }

  /** A kubeconfig for it. */
  kubeconfig(token = 'let-me-in'): string {
    return JSON.stringify({
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': 'test',
      contexts: [{ name: 'test', context: { cluster: 'test', user: 'test' } }],
      clusters: [{ name: 'test', cluster: { server: this.#url, 'insecure-skip-tls-verify': true } }],
      users: [{ name: 'test', user: { token } }],
    })
  }

  get url(): string {
    return this.#url
  }

  /** How many watches run. */
  get watching(): number {
    return this.#watches.size
  }

  /** The requests for a path, lists or watches. */
  asked(path: string, what: 'list' | 'watch'): readonly ApiHit[] {
    return this.hits.filter((hit) => hit.path === path && (hit.query.get('watch') === 'true') === (what === 'watch'))
  }

  /** Creates objects or changes them. `silently`: watches are not told, as if it happened while they were away. */
  put(objects: readonly Json[], { silently = false } = {}): void {
    for (const object of objects) {
      const path = this.#pathOf(object)
      const key = keyOf(path, object)
      const version = ++this.version
      const type = this.#objects.has(key) ? 'MODIFIED' : 'ADDED'
      const stored = withVersion(object, version)
      this.#objects.set(key, { path, object: stored, version })
      this.#record({ version, type, path, object: stored }, silently)
    }
  }

  remove(object: Json, { silently = false } = {}): void {
    const path = this.#pathOf(object)
    const stored = this.#objects.get(keyOf(path, object))
    if (!stored) throw new Error('there is no such object')
    this.#objects.delete(keyOf(path, object))
    const version = ++this.version
    this.#record({ version, type: 'DELETED', path, object: withVersion(stored.object, version) }, silently)
  }

  /** Everything as it was in a backup: these objects, at a version that is long past. */
  restore(objects: readonly Json[], version: number): void {
    this.#objects.clear()
    this.#history = []
    this.version = version
    this.put(objects, { silently: true })
  }

  /** Forgets what changed up to now: watches from before get 410. */
  compact(): void {
    this.#history = []
    this.#oldest = this.version
  }

  /** Sends every watch a bookmark. */
  bookmark(): void {
    for (const watch of this.#watches) watch.response.write(`${JSON.stringify(bookmarkOf(watch.path, this.version))}\n`)
  }

  /** Sends bytes to every watch of a path, whatever they mean. */
  say(path: string, bytes: string | Uint8Array): void {
    for (const watch of this.#watches) if (watch.path === path) watch.response.write(bytes)
  }

  /** Cuts every watch, without an end. */
  cut(): void {
    for (const { response } of this.#watches) response.destroy()
  }

  /** Answers the next request that matches in another way. */
  next(path: string, what: 'list' | 'watch' | 'page' | 'any', fault: Fault): void {
    const matches = (hit: ApiHit): boolean => {
      const watch = hit.query.get('watch') === 'true'
      const kind = watch ? 'watch' : hit.query.has('continue') ? 'page' : 'list'
      return hit.path === path && (what === 'any' || what === kind)
    }
    this.#faults.push({ matches, fault })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise<void>((resolve) => this.#server.close(() => resolve()))
  }

  #pathOf({ kind }: Json): string {
    if (kind !== 'EndpointSlice') return PATHS[kind as 'Service' | 'Endpoints' | 'Node']
    return this.#options.endpoints === 'v1beta1' ? PATHS.v1beta1 : PATHS.v1
  }

  #record(change: Change, silently: boolean): void {
    this.#history.push(change)
    if (silently) return
    for (const watch of this.#watches) if (isFor(change, watch)) watch.response.write(lineOf(change))
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url ?? '', this.#url)
    const hit = { path: url.pathname, query: url.searchParams, authorization: request.headers.authorization }
    this.hits.push(hit)
    const index = this.#faults.findIndex(({ matches }) => matches(hit))
    const [found] = index < 0 ? [] : this.#faults.splice(index, 1)
    if (found) found.fault(request, response, hit)
    else if (this.token !== '' && hit.authorization !== `Bearer ${this.token}`) refuse(response, 401, 'Unauthorized')
    else if (!this.#serves(hit.path)) refuse(response, 404, 'the server could not find the requested resource')
    else if (hit.query.get('watch') === 'true') this.#watch(hit, response)
    else this.#list(hit, request, response)
  }

  #serves(path: string): boolean {
    const { endpoints = 'v1' } = this.#options
    if (path === PATHS.v1) return endpoints === 'v1'
    if (path === PATHS.v1beta1) return endpoints === 'v1beta1'
    return Object.values<string>(PATHS).includes(path)
  }

  #list(hit: ApiHit, request: IncomingMessage, response: ServerResponse): void {
    const all = this.#all(hit.path, nodeOf(hit))
    const from = Number(hit.query.get('continue') ?? 0)
    const end = Math.min(from + Number(hit.query.get('limit') ?? all.length), all.length)
    const kind = kindOf(hit.path)
    const metadata = { resourceVersion: String(this.version), ...(end < all.length ? { continue: String(end) } : {}) }
    // Items of lists carry neither kind nor apiVersion.
    const items = all.slice(from, end).map(({ kind: _kind, apiVersion: _version, ...rest }) => rest)
    const text = JSON.stringify({ kind: `${kind}List`, apiVersion: 'v1', metadata, items })
    const zipped = this.#options.gzip && `${request.headers['accept-encoding']}`.includes('gzip')
    response.writeHead(200, { 'content-type': 'application/json', ...(zipped ? { 'content-encoding': 'gzip' } : {}) })
    response.end(zipped ? gzipSync(text) : text)
  }

  #all(path: string, node: string | undefined): readonly Json[] {
    const objects = [...this.#objects.values()].filter((stored) => stored.path === path)
    return objects.map(({ object }) => object).filter((object) => node === undefined || nameOf(object) === node)
  }

  #watch(hit: ApiHit, response: ServerResponse): void {
    const { path, query } = hit
    const initial = query.get('sendInitialEvents') === 'true'
    if (initial && !this.#options.watchLists) {
      refuse(response, 422, 'sendInitialEvents: Forbidden: sendInitialEvents is forbidden for watch')
      return
    }
    const from = Number(query.get('resourceVersion'))
    const watch = { path, node: nodeOf(hit), response }
    response.writeHead(200, { 'content-type': 'application/json' })
    response.flushHeaders()
    if (!initial && from < this.#oldest) {
      const object = { kind: 'Status', code: 410, reason: 'Expired', message: `too old resource version: ${from}` }
      response.end(`${JSON.stringify({ type: 'ERROR', object })}\n`)
      return
    }
    if (initial) {
      for (const object of this.#all(path, watch.node)) response.write(`${JSON.stringify({ type: 'ADDED', object })}\n`)
      const annotations = { 'k8s.io/initial-events-end': 'true' }
      response.write(`${JSON.stringify(bookmarkOf(path, this.version, annotations))}\n`)
    } else {
      for (const change of this.#history) if (change.version > from && isFor(change, watch)) response.write(lineOf(change))
    }
    this.#watches.add(watch)
    response.on('close', () => this.#watches.delete(watch))
  }
}

/** Says no, as a Status. */
export function refuse(response: ServerResponse, code: number, message: string, headers: Record<string, string> = {}): void {
  response.writeHead(code, { 'content-type': 'application/json', ...headers })
  response.end(JSON.stringify({ kind: 'Status', apiVersion: 'v1', status: 'Failure', message, code }))
}

function nodeOf({ path, query }: ApiHit): string | undefined {
  return path === PATHS.Node ? query.get('fieldSelector')?.replace('metadata.name=', '') : undefined
}

function isFor({ path, object }: Change, watch: Watch): boolean {
  return path === watch.path && (watch.node === undefined || nameOf(object) === watch.node)
}

function lineOf({ type, object }: Change): string {
  return `${JSON.stringify({ type, object })}\n`
}

function bookmarkOf(path: string, version: number, annotations: Record<string, string> = {}): object {
  return { type: 'BOOKMARK', object: { kind: kindOf(path), metadata: { resourceVersion: String(version), annotations } } }
}

function kindOf(path: string): string {
  const found = Object.entries(PATHS).find(([, known]) => known === path)?.[0] ?? ''
  return found.startsWith('v1') ? 'EndpointSlice' : found
}

function nameOf(object: Json): string {
  return (object['metadata'] as { name: string }).name
}

function keyOf(path: string, object: Json): string {
  const { namespace = '', name } = object['metadata'] as { namespace?: string; name: string }
  return `${path} ${namespace}/${name}`
}

/** As a server stores it: every object has a namespace there, but for Nodes. */
function withVersion(object: Json, version: number): Json {
  const metadata = object['metadata'] as Record<string, unknown>
  const namespace = object['kind'] === 'Node' ? {} : { namespace: metadata['namespace'] ?? 'default' }
  const more = { uid: `uid-of-${metadata['name']}`, resourceVersion: String(version), managedFields: [{ manager: 'test' }] }
  return { ...object, metadata: { ...metadata, ...namespace, ...more } }
}
