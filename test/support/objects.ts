import { parseCidr } from '../../src/model/address.ts'
import type { Cidr, Ip } from '../../src/model/keys.ts'
import type { Labels } from '../../src/model/labels.ts'
import type { ObjectSet } from '../../src/model/objects.ts'
import { createObjectParser } from '../../src/model/parse-objects.ts'
import { DEFAULT_PARSE_OPTIONS, type ParseOptions } from '../../src/model/parse-options.ts'
import { type Problem, showProblem } from '../../src/model/problem.ts'
import type { NodeContext, Snapshot } from '../../src/model/snapshot.ts'
import { compile } from '../../src/snapshot/compile.ts'

/** JSON as it is written, before anyone has looked at it. */
export type Json = Record<string, unknown>

/** The Service `default/NAME`, or of another namespace where `name` has one: `other/web`. `spec` overlays a clusterIP of
 *  10.0.0.1 and port 80. */
export function aService(name: string, spec: Json = {}, metadata: Json = {}, rest: Json = {}): Json {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { ...named(name), ...metadata },
    spec: { clusterIP: '10.0.0.1', ports: [{ port: 80 }], ...spec },
    ...rest,
  }
}

export interface SliceOptions {
  /** The slice's own name; the Service's and `-1` when left out. */
  readonly name?: string
  /** `[{ name: '', port: 8080 }]` when left out. */
  readonly ports?: readonly Json[]
  readonly addressType?: 'IPv4' | 'IPv6'
}

/** An EndpointSlice of that Service. An endpoint is an address, or an address, its conditions, and its other fields. */
export function aSlice(
  service: string,
  endpoints: readonly (string | readonly [address: string, conditions: Json, more?: Json])[],
  { name = `${service}-1`, ports = [{ name: '', port: 8080 }], addressType = 'IPv4' }: SliceOptions = {},
): Json {
  const metadata = named(service)
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { ...named(name), namespace: metadata.namespace, labels: { 'kubernetes.io/service-name': metadata.name } },
    addressType,
    ports,
    endpoints: endpoints.map((endpoint) => {
      const [address, conditions, more] = typeof endpoint === 'string' ? [endpoint, {}] : endpoint
      return { addresses: [address], conditions, ...more }
    }),
  }
}

/** As many of these slices as there are places, the endpoints of each with those fields: `nodeName`, `hints`, `conditions`. */
export function placed(slices: readonly Json[], ...places: readonly Json[]): Json[] {
  return places.map((place, n) => {
    const slice = slices[n] ?? {}
    return { ...slice, endpoints: (slice['endpoints'] as Json[]).map((endpoint) => ({ ...endpoint, ...place })) }
  })
}

/** v1 Endpoints of that Service. */
export function someEndpoints(service: string, ...subsets: Json[]): Json {
  return { apiVersion: 'v1', kind: 'Endpoints', metadata: named(service), subsets }
}

function named(name: string): { readonly namespace: string; readonly name: string } {
  const [first, second] = name.split('/') as [string, string | undefined]
  return second === undefined ? { namespace: 'default', name: first } : { namespace: first, name: second }
}

export interface CompilerOptions {
  /** Addresses that answer on nodePorts. */
  readonly nodeAddresses?: readonly string[]
  readonly nodeLabels?: Labels
  readonly clusterIpRange?: string
  readonly nodePortRange?: readonly [number, number]
  /** Whether the engine can; true when left out. */
  readonly transparentSource?: boolean
  readonly strictSourceRanges?: boolean
  /** Why the engine does not serve SCTP; left out: it does. */
  readonly sctpRefusal?: string
  /** The addresses of the node are a guess. */
  readonly followsNodeObject?: boolean
  readonly parse?: Partial<ParseOptions>
}

/** The node `node-1`, its clients on loopback and its own addresses. */
export function aNode(addresses: readonly string[], labels: Labels = {}): NodeContext {
  const clients = addresses.map((ip) => `${ip}/${ip.includes(':') ? 128 : 32}`)
  return {
    name: 'node-1',
    labels,
    addresses: addresses as readonly Ip[],
    nodePortAddresses: addresses as readonly Ip[],
    followsNodeObject: false,
    clients: ['127.0.0.0/8', '::1/128', ...clients] as readonly string[] as readonly Cidr[],
  }
}

/** Compiles values as a process does: it remembers what it parsed and its last snapshot. */
export function createCompiler(options: CompilerOptions = {}) {
  const { nodeAddresses = ['192.0.2.1'], nodeLabels = {}, clusterIpRange, nodePortRange = [30_000, 32_767] } = options
  const { transparentSource = true } = options
  const parser = createObjectParser({ ...DEFAULT_PARSE_OPTIONS, ...options.parse })
  const { followsNodeObject = false, strictSourceRanges = false, sctpRefusal } = options
  let node = { ...aNode(nodeAddresses, nodeLabels), followsNodeObject }
  let previous: Snapshot | undefined
  return {
    /** The values as if each stood ten lines below the one before, from `line` on. */
    parse(values: readonly unknown[], line = 1): ObjectSet {
      return parser.parse(
        values.map((value, n) => ({ value, origin: { place: 'a.yaml', line: line + 10 * n, lines: undefined } })),
      )
    },
    compile(values: readonly unknown[], line = 1): Snapshot {
      const range = clusterIpRange === undefined ? undefined : (parseCidr(clusterIpRange) as Cidr)
      const given = { clusterIpRange: range, nodePortRange, strictSourceRanges, transparentSource, sctpRefusal }
      previous = compile(this.parse(values, line), node, given, previous)
      return previous
    },
    /** The machine has other addresses from now on. */
    moveTo(addresses: readonly string[]): void {
      node = { ...aNode(addresses, nodeLabels), followsNodeObject }
    },
  }
}

/** What is wrong, in short: `error port-range Service default/web spec.ports[0].port`. */
export function inShort(problems: readonly Problem[]): string[] {
  return problems.map(({ severity, code, object, field }) => [severity, code, object, field].filter(Boolean).join(' '))
}

/** Problems as people read them. */
export function inWords(problems: readonly Problem[]): string[] {
  return problems.map(showProblem)
}

/** Every route with its endpoints: `{ 'TCP/10.0.0.1:80': ['10.1.0.1:8080/TCP'] }`. */
export function routesOf(snapshot: Snapshot): Record<string, string[]> {
  return Object.fromEntries([...snapshot.routes].map(([key, { endpoints }]) => [key, endpoints.map((endpoint) => endpoint.key)]))
}
