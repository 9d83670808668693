import type { ListenerStatus } from '../../listener/listener.ts'
import { type Ip, listenerKey, type ServiceKey } from '../../model/keys.ts'
import type { CompiledService } from '../../model/snapshot.ts'
import { serviceTotals } from '../../observe/ledger-totals.ts'
import type { ProxyAddress, Proxy as RunningProxy } from '../../runtime/proxy.ts'

export type ServiceState = 'Listening' | 'NoEndpoints' | 'Failed' | 'Pending' | 'NotServed'

/** What the proxy makes of one Service now. */
export interface ServiceFacts {
  readonly state: ServiceState
  /** One line about it. */
  readonly message: string
  readonly ready: number
  readonly endpoints: number
  readonly sessions: number
  /** Given or assigned. */
  readonly clusterIps: readonly string[]
  readonly addresses: readonly ProxyAddress[]
}

/** Looks at all Services at one moment. */
export interface Insight {
  survey(): (service: string) => ServiceFacts
  /** What each Service in force has, assigned or given. */
  holdings(): Iterable<{ readonly service: ServiceKey; readonly ips: readonly Ip[]; readonly ports: readonly number[] }>
}

type Watched = Pick<RunningProxy, 'read' | 'addresses'>

export function createInsight(proxy: Watched): Insight {
  return {
    survey() {
      const { snapshot, ledger, servicePorts } = proxy.read()
      const addresses = Map.groupBy(proxy.addresses(), ({ service }) => service)
      const slots = new Map<string, number>()
      for (const { key, slot } of servicePorts) slots.set(key, slot)
      return (service) => {
        const compiled = snapshot?.services.get(service as ServiceKey)
        const own = addresses.get(service as ServiceKey) ?? []
        let sessions = 0
        for (const key of compiled?.ports.keys() ?? []) {
          const slot = slots.get(key)
          if (slot !== undefined) sessions += serviceTotals(ledger, slot).counters.active
        }
        return {
          ...stateOf(compiled, own),
          ...countEndpoints(compiled),
          sessions,
          clusterIps: compiled?.clusterIps ?? [],
          addresses: own,
        }
      }
    },
    holdings() {
      const services = [...(proxy.read().snapshot?.services ?? [])]
      return services.map(([service, { clusterIps, nodePorts }]) => ({
        service,
        ips: clusterIps,
        ports: [...nodePorts.values()],
      }))
    },
  }
}

function countEndpoints(compiled: CompiledService | undefined): { ready: number; endpoints: number } {
  const all = new Map<string, boolean>()
  for (const { all: endpoints } of compiled?.ports.values() ?? []) {
    for (const { key, ready, terminating } of endpoints) all.set(key, ready && !terminating)
  }
  return { ready: [...all.values()].filter(Boolean).length, endpoints: all.size }
}

function stateOf(
  compiled: CompiledService | undefined,
  addresses: readonly ProxyAddress[],
): { readonly state: ServiceState; readonly message: string } {
  if (!compiled) return { state: 'Pending', message: 'is about to be put in force' }
  const { notServed } = compiled.input.value
  if (notServed !== undefined) return { state: 'NotServed', message: `is not served here: ${notServed}` }
  const wrong = compiled.problems.find(({ severity, code }) => severity === 'error' && code !== 'endpoint-loop')
  const failed = addresses.filter(({ status }) => status.state === 'failed')
  if (failed.length > 0) return { state: 'Failed', message: failed.map(showFailure).join('; ') }
  if (wrong) return { state: 'Failed', message: `${wrong.field}: ${wrong.message}` }
  if (addresses.length === 0) return { state: 'Failed', message: 'has no address to listen on' }
  if (addresses.some(({ status }) => status.state === 'opening')) return { state: 'Pending', message: 'is about to listen' }
  const parked = addresses.filter(({ status }) => status.state === 'parked')
  if (parked.length === addresses.length) return { state: 'NoEndpoints', message: 'has no endpoint: clients are refused' }
  return { state: 'Listening', message: `listens on ${addresses.length} address${addresses.length === 1 ? '' : 'es'}` }
}

function showFailure({ key, status }: ProxyAddress): string {
  return `${key}: ${(status as Extract<ListenerStatus, { state: 'failed' }>).message}`
}

/** The failure of one port on one address; undefined: it listens, or was not tried yet. */
export function failureAt(facts: ServiceFacts, ip: string, port: number, protocol: string): string | undefined {
  const key = listenerKey(protocol as 'TCP', { ip, port } as ProxyAddressParts)
  const status = facts.addresses.find((address) => address.key === key)?.status
  return status?.state === 'failed' ? status.code : undefined
}

type ProxyAddressParts = Parameters<typeof listenerKey>[1]
