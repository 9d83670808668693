import { parseIp, parsePort } from './address.ts'
import { isMapping } from './findings.ts'

type Mapping = Readonly<Record<string, unknown>>

/** Enough to see how it goes on. */
const MOST_SHOWN = 3
const LONGEST_WORD = 64

/** Objects as they were written before there were metadata, spec and subsets (v1beta1 and v1beta2, before Kubernetes 1.0). */
export interface OldForm {
  /** The field that gives it away. */
  readonly field: string
  /** What would be right: the same object as it is written today. */
  readonly message: string
}

/** Recognises such an object and shows it in today's form; undefined: it is written otherwise. */
export function recogniseOldForm(kind: string, value: Mapping): OldForm | undefined {
  if (kind === 'Service') return oldService(value)
  return kind === 'Endpoints' ? oldEndpoints(value) : undefined
}

function oldService(value: Mapping): OldForm | undefined {
  const field = givenAway(value, 'spec', ['id', 'port', 'containerPort', 'portalIP'])
  if (field === undefined) return undefined
  const { port, protocol, containerPort, portalIP, publicIPs } = value
  const ips = Array.isArray(publicIPs) ? publicIPs.filter(isPlain).slice(0, MOST_SHOWN) : []
  const spec = {
    ...(isPlain(portalIP) && { clusterIP: portalIP }),
    ...(ips.length > 0 && { externalIPs: ips }),
    ports: [
      {
        port: isPlain(port) ? port : 80,
        ...(isPlain(protocol) && { protocol }),
        ...(isPlain(containerPort) && { targetPort: containerPort }),
      },
    ],
  }
  return { field, message: `must be written ${show('Service', value, { spec })}` }
}

function oldEndpoints(value: Mapping): OldForm | undefined {
  const field = givenAway(value, 'subsets', ['id', 'endpoints'])
  if (field === undefined) return undefined
  const given = Array.isArray(value['endpoints']) ? value['endpoints'] : []
  const subsets = given.slice(0, MOST_SHOWN).flatMap(subsetOf)
  const part = given.length > MOST_SHOWN ? `, here with ${MOST_SHOWN} of its ${given.length} endpoints,` : ''
  const example = [{ addresses: [{ ip: '10.0.0.1' }], ports: [{ port: 80 }] }]
  const shown = show('Endpoints', value, { subsets: subsets.length > 0 ? subsets : example })
  return { field, message: `must be written${part} ${shown}` }
}

/** `10.0.0.1:80`. */
function subsetOf(endpoint: unknown): object[] {
  const text = typeof endpoint === 'string' ? endpoint : ''
  const colon = text.lastIndexOf(':')
  const ip = parseIp(text.slice(0, Math.max(colon, 0)).replace(/^\[(.*)\]$/, '$1'))
  const port = parsePort(Number(text.slice(colon + 1)))
  return ip !== undefined && port !== undefined ? [{ addresses: [{ ip }], ports: [{ port }] }] : []
}

/** The first of these fields on top of an object that lacks today's `part`. */
function givenAway(value: Mapping, part: string, fields: readonly string[]): string | undefined {
  return value[part] === undefined ? fields.find((field) => isGiven(value[field])) : undefined
}

function isGiven(value: unknown): boolean {
  return value !== undefined && value !== null && value !== ''
}

/** Whether a value can stand in a line: anything else may be of any size. */
function isPlain(value: unknown): value is string | number {
  return typeof value === 'number' || (typeof value === 'string' && value !== '' && value.length <= LONGEST_WORD)
}

function show(kind: string, value: Mapping, rest: object): string {
  const metadata = isMapping(value['metadata']) ? value['metadata'] : value
  const name = metadata['name'] ?? value['id'] ?? 'NAME'
  const { namespace } = metadata
  const named = { name: isPlain(name) ? name : 'NAME', ...(isPlain(namespace) && { namespace }) }
  return JSON.stringify({ apiVersion: 'v1', kind, metadata: named, ...rest })
}
