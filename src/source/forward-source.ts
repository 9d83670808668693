import type { Clock, Timer } from '../lib/clock.ts'
import { messageOf } from '../lib/errors.ts'
import { isUnspecified } from '../model/address.ts'
import { familyOf, type Ip, type Port, type SocketAddress, showAddress } from '../model/keys.ts'
import { createObjectSource } from './object-source.ts'
import type { Source } from './source.ts'

/** One address to listen on and what stands behind it, as the command line says it. */
export interface ForwardPlan {
  readonly protocol: 'TCP' | 'UDP'
  /** An unspecified address stands for every address of its family that this machine has. */
  readonly listen: SocketAddress
  readonly endpoints: readonly { readonly host: string; readonly port: Port }[]
  /** Undefined: no affinity. */
  readonly affinityTimeoutMs: number | undefined
}

/** What a forward source needs. */
export interface ForwardSourceOptions {
  readonly clock: Clock
  /** Every address of a name, or of an address; rejects when there is none. */
  readonly lookup: (host: string) => Promise<readonly Ip[]>
  /** This machine's addresses, loopback first. */
  readonly localAddresses: () => readonly Ip[]
  /** A name has other addresses than before. */
  readonly onResolved: (host: string, addresses: readonly Ip[]) => void
  /** A name could not be resolved; `kept` stay in use. */
  readonly onFailed: (host: string, reason: string, kept: readonly Ip[]) => void
}

/** How often names are resolved. */
const RESOLVE_MS = 30_000
const NAMESPACE = 'forward'

/** Opens a source that yields one v1 Service and its EndpointSlices, so that a forward takes the same way as any other
 *  Service. It is synced once every name was tried. A name that does not resolve keeps its last addresses. */
export function openForwardSource(plan: ForwardPlan, options: ForwardSourceOptions): Source {
  const inner = createObjectSource('forward', options.clock)
  const resolved = new Map<string, readonly Ip[]>()
  const hosts = [...new Set(plan.endpoints.map((endpoint) => endpoint.host))]
  const family = familyOf(plan.listen.ip)
  let running = false
  let timer: Timer | undefined
  let disposed = false

  async function resolve(host: string): Promise<void> {
    const before = resolved.get(host) ?? []
    try {
      const found = await options.lookup(host)
      const addresses = [...new Set(found.filter((ip) => familyOf(ip) === family))].sort()
      if (addresses.length > 0) {
        resolved.set(host, addresses)
        if (addresses.join() !== before.join()) options.onResolved(host, addresses)
      } else {
        options.onFailed(host, `has no IPv${family} address, as ${showAddress(plan.listen)} needs`, before)
      }
    } catch (error) {
      options.onFailed(host, messageOf(error), before)
    }
  }

  async function round(): Promise<void> {
    running = true
    timer?.[Symbol.dispose]()
    await Promise.all(hosts.map(resolve))
    running = false
    if (disposed) return
    inner.set(forwardObjects(plan, resolved, options.localAddresses()))
    timer = options.clock.after(RESOLVE_MS, refresh)
  }

  function refresh(): void {
    if (!disposed && !running) void round()
  }

  refresh()
  return {
    name: inner.name,
    watch: (signal) => inner.watch(signal),
    refresh,
    async [Symbol.asyncDispose]() {
      disposed = true
      timer?.[Symbol.dispose]()
      await inner[Symbol.asyncDispose]()
    },
  }
}

function forwardObjects(plan: ForwardPlan, resolved: ReadonlyMap<string, readonly Ip[]>, local: readonly Ip[]): object[] {
  const { protocol, listen, affinityTimeoutMs } = plan
  const name = `${protocol.toLowerCase()}-${listen.port}`
  const family = familyOf(listen.ip)
  const externalIPs = isUnspecified(listen.ip) ? local.filter((ip) => familyOf(ip) === family) : [listen.ip]
  const affinity =
    affinityTimeoutMs === undefined
      ? { sessionAffinity: 'None' }
      : { sessionAffinity: 'ClientIP', sessionAffinityConfig: { clientIP: { timeoutSeconds: affinityTimeoutMs / 1000 } } }
  const service = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { namespace: NAMESPACE, name },
    spec: { externalIPs, ports: [{ protocol, port: listen.port }], ...affinity },
  }
  const byPort = new Map<Port, Set<Ip>>()
  for (const { host, port } of plan.endpoints) {
    const addresses = byPort.get(port) ?? new Set()
    byPort.set(port, addresses)
    for (const ip of resolved.get(host) ?? []) addresses.add(ip)
  }
  const slices = [...byPort].map(([port, addresses]) => ({
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { namespace: NAMESPACE, name: `${name}-${port}`, labels: { 'kubernetes.io/service-name': name } },
    addressType: `IPv${family}`,
    ports: [{ name: '', protocol, port }],
    endpoints: [...addresses].map((ip) => ({ addresses: [ip] })),
  }))
  return [service, ...slices]
}
