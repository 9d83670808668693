import type { Privileges } from '../lib/privileges.ts'
import { endpointKey, familyOf } from '../model/keys.ts'
import type { Snapshot } from '../model/snapshot.ts'
import { type Answering, deliveredIf, readInterfaces, readRouting } from '../vip/answers.ts'
import type { IpRouting } from '../vip/iproute.ts'

/** What Services with `portald.io/source-address: transparent` need and have. */
export interface TransparentFacts {
  /** Why no socket here can have the client's address; undefined: they can. */
  readonly lacks: string | undefined
  /** The endpoints' answers to clients, or why nobody knows what becomes of them. */
  readonly answers: readonly AnswerFacts[] | { readonly unknown: string }
}

/** The answers of one endpoint. */
export interface AnswerFacts {
  readonly endpoint: Answering
  /** What they come in by; undefined: there is no way to the endpoint. */
  readonly device: string | undefined
  /** When they are delivered here: '' always, nothing at all: never. */
  readonly deliveredIf: readonly string[]
}

/** Finds out what becomes of the answers of the endpoints that are to see clients' own addresses; undefined where no Service asks
 *  for that. */
export async function readTransparent(
  snapshot: Snapshot,
  engine: 'native' | 'node' | undefined,
  privileges: Privileges,
  ip: IpRouting,
): Promise<TransparentFacts | undefined> {
  const routes = [...snapshot.routes.values()].filter(({ service }) => service.options.sourceAddress === 'transparent')
  if (routes.length === 0) return undefined
  const endpoints = new Map<string, Answering>()
  for (const { endpoints: one, localClientEndpoints, port } of routes) {
    for (const { address } of [...one, ...localClientEndpoints]) {
      endpoints.set(endpointKey(address, port.protocol), { address, protocol: port.protocol })
    }
  }
  const lacks = lackOf(engine, privileges)
  const found: AnswerFacts[] = []
  for (const family of [4, 6] as const) {
    const answering = [...endpoints.values()].filter(({ address }) => familyOf(address.ip) === family)
    if (answering.length === 0) continue
    const answers = await answersOf(answering, family, ip)
    if ('unknown' in answers) return { lacks, answers }
    found.push(...answers)
  }
  return { lacks, answers: found }
}

function lackOf(engine: 'native' | 'node' | undefined, privileges: Privileges): string | undefined {
  if (engine !== 'native') return 'the native engine is needed'
  return privileges.may('CAP_NET_ADMIN') || privileges.may('CAP_NET_RAW') ? undefined : 'CAP_NET_ADMIN is missing'
}

async function answersOf(endpoints: readonly Answering[], family: 4 | 6, ip: IpRouting): Promise<TransparentFacts['answers']> {
  const ips = [...new Set(endpoints.map(({ address }) => address.ip))]
  const [rules, localRoutes, ways] = await Promise.all([ip.rules(family), ip.allLocalRoutes(family), ip.waysTo(family, ips)])
  if ('failed' in rules) return { unknown: rules.failed }
  if ('failed' in localRoutes) return { unknown: localRoutes.failed }
  if ('failed' in ways) return { unknown: ways.failed }
  try {
    const routing = readRouting(rules.json, localRoutes.json)
    const devices = readInterfaces(ways.json)
    return endpoints.map((endpoint) => {
      const device = devices.get(endpoint.address.ip)
      return { endpoint, device, deliveredIf: device === undefined ? [] : deliveredIf(endpoint, device, routing) }
    })
  } catch {
    // Those of before 2018 print some things as text, whatever they are asked for.
    return { unknown: 'the program "ip" here is too old to print JSON' }
  }
}
