import { isMapping } from '../../model/findings.ts'
import type { ServiceFacts } from './insight.ts'
import type { Kind, ResourceName } from './kinds.ts'
import type { Mapping } from './outcome.ts'
import { listAt, textAt } from './values.ts'

/** One object to show, with what is known of it beside what it says. */
export interface Row {
  readonly object: Mapping
  readonly owner: string | undefined
  readonly facts: ServiceFacts | undefined
}

interface Column {
  readonly name: string
  readonly type: 'string' | 'integer'
  readonly format?: 'name'
  readonly description: string
  /** Shown with `-o wide` only. */
  readonly wide?: boolean
  readonly cell: (row: Row, nowMs: number) => string | number
}

const NONE = '<none>'
const orNone = (text: string) => (text === '' ? NONE : text)

const NAME: Column = {
  name: 'Name',
  type: 'string',
  format: 'name',
  description: 'Name, unique in its namespace.',
  cell: ({ object }) => textAt(object, 'metadata', 'name'),
}
const AGE: Column = {
  name: 'Age',
  type: 'string',
  description: 'Since when there is such an object.',
  cell: ({ object }, nowMs) => showAge(textAt(object, 'metadata', 'creationTimestamp'), nowMs),
}
const OWNER: Column = {
  name: 'Owner',
  type: 'string',
  description: 'Where it can be changed: here (api), or in a file or cluster.',
  wide: true,
  cell: ({ owner }) => owner ?? 'api',
}
const column = (name: string, description: string, cell: Column['cell'], more: Partial<Column> = {}): Column => ({
  name,
  type: 'string',
  description,
  cell,
  ...more,
})
const ofService =
  (show: (facts: ServiceFacts) => string | number): Column['cell'] =>
  ({ facts }) =>
    facts ? show(facts) : ''

const COLUMNS: Readonly<Record<ResourceName, readonly Column[]>> = {
  services: [
    NAME,
    column('Type', 'Type of the Service.', ({ object }) => textAt(object, 'spec', 'type')),
    column('Cluster-IP', 'The address it listens on, given or assigned.', ({ object, facts }) =>
      orNone(textAt(object, 'spec', 'clusterIP') || (facts?.clusterIps[0] ?? '')),
    ),
    column('External-IP', 'More addresses it listens on.', ({ object }) => orNone(externalIps(object))),
    column('Port(s)', 'Ports and protocols; after a colon the nodePort.', ({ object }) => orNone(showPorts(object))),
    column(
      'Endpoints',
      'Endpoints that are ready, of all.',
      ofService(({ ready, endpoints }) => `${ready}/${endpoints}`),
    ),
    column(
      'Sessions',
      'Sessions that run now.',
      ofService(({ sessions }) => sessions),
      { type: 'integer' },
    ),
    column(
      'State',
      'Whether it listens.',
      ofService(({ state }) => state),
    ),
    AGE,
    column(
      'Message',
      'What there is to say about the state.',
      ofService(({ message }) => message),
      { wide: true },
    ),
    OWNER,
  ],
  endpoints: [NAME, column('Endpoints', 'Addresses that are ready.', ({ object }) => orNone(showSubsets(object))), AGE, OWNER],
  endpointslices: [
    NAME,
    column('AddressType', 'Family of its addresses.', ({ object }) => textAt(object, 'addressType')),
    column('Ports', 'Ports of its endpoints.', ({ object }) => orNone(shorten(listAt(object, 'ports').map(portNumber)))),
    column('Endpoints', 'Addresses of its endpoints.', ({ object }) => orNone(shorten(sliceAddresses(object)))),
    AGE,
    OWNER,
  ],
  namespaces: [NAME, column('Status', 'Phase.', ({ object }) => textAt(object, 'status', 'phase')), AGE],
}

/** The columns as a `Table` has them. */
export function columnDefinitions(kind: Kind): readonly object[] {
  return COLUMNS[kind.resource].map(({ name, type, format = '', description, wide }) => ({
    name,
    type,
    format,
    description,
    priority: wide ? 1 : 0,
  }))
}

/** A row of a `Table`. `include`: how much of the object goes along. */
export function tableRow(kind: Kind, row: Row, include: string, nowMs: number): object {
  const cells = COLUMNS[kind.resource].map(({ cell }) => cell(row, nowMs))
  if (include === 'None') return { cells, object: null }
  return { cells, object: include === 'Object' ? row.object : metadataOnly(row.object) }
}

/** What `PartialObjectMetadata` says of an object. */
export function metadataOnly(object: Mapping): object {
  return { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata: object['metadata'] ?? {} }
}

function externalIps(object: Mapping): string {
  const ingress = listAt(object, 'status', 'loadBalancer', 'ingress').map((one) => textAt(one, 'ip') || textAt(one, 'hostname'))
  const name = textAt(object, 'spec', 'externalName')
  return [...new Set([...(name ? [name] : []), ...ingress, ...listAt(object, 'spec', 'externalIPs').map(String)])].join(',')
}

function showPorts(object: Mapping): string {
  return listAt(object, 'spec', 'ports')
    .map((port) => {
      const { port: number, nodePort, protocol } = isMapping(port) ? port : {}
      return nodePort ? `${number}:${nodePort}/${protocol}` : `${number}/${protocol}`
    })
    .join(',')
}

const MOST_SHOWN = 3

/** `a,b,c + 2 more...` */
function shorten(words: readonly string[]): string {
  const more = words.length - MOST_SHOWN
  return `${words.slice(0, MOST_SHOWN).join(',')}${more > 0 ? ` + ${more} more...` : ''}`
}

const portNumber = (port: unknown): string => String(isMapping(port) ? (port['port'] ?? '*') : '')

function sliceAddresses(object: Mapping): string[] {
  return listAt(object, 'endpoints').flatMap((endpoint) => listAt(endpoint, 'addresses').slice(0, 1).map(String))
}

function showSubsets(object: Mapping): string {
  const all = listAt(object, 'subsets').flatMap((subset) => {
    const ips = listAt(subset, 'addresses').map((address) => textAt(address, 'ip'))
    const ports = listAt(subset, 'ports').map(portNumber)
    return ports.length === 0
      ? ips
      : ports.flatMap((port) => ips.map((ip) => (ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`)))
  })
  return shorten(all)
}

const UNITS = [
  ['d', 86_400],
  ['h', 3_600],
  ['m', 60],
] as const

/** As kubectl shows it: `45s`, `5m`, `3h`, `12d`. */
function showAge(since: string, nowMs: number): string {
  const ms = Date.parse(since)
  if (Number.isNaN(ms)) return '<unknown>'
  const seconds = Math.max(0, Math.floor((nowMs - ms) / 1000))
  const unit = UNITS.find(([, size]) => seconds >= 2 * size)
  return unit ? `${Math.floor(seconds / unit[1])}${unit[0]}` : `${seconds}s`
}
