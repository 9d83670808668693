import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { endpointsSchema, sliceSchema } from '../../src/model/endpoint-schema.ts'
import { createObjectParser } from '../../src/model/parse-objects.ts'
import { DEFAULT_PARSE_OPTIONS } from '../../src/model/parse-options.ts'
import { showProblem } from '../../src/model/problem.ts'
import { serviceSchema } from '../../src/model/service-schema.ts'
import type { Json } from './sample-objects.ts'

/** The fields of Kubernetes' API reference: core/v1 Service and Endpoints, discovery.k8s.io/v1 EndpointSlice, and what
 *  older versions had beside them. */
const API = {
  'Every object': [
    'apiVersion kind',
    'metadata.{name namespace labels annotations creationTimestamp deletionTimestamp generateName uid resourceVersion}',
    'metadata.{generation selfLink deletionGracePeriodSeconds ownerReferences finalizers managedFields}',
  ],
  Service: [
    'spec.{type clusterIP clusterIPs ipFamilies ipFamilyPolicy externalIPs externalName allocateLoadBalancerNodePorts}',
    'spec.{healthCheckNodePort loadBalancerSourceRanges loadBalancerIP loadBalancerClass sessionAffinity selector}',
    'spec.{internalTrafficPolicy externalTrafficPolicy trafficDistribution topologyKeys publishNotReadyAddresses}',
    'spec.sessionAffinityConfig.clientIP.timeoutSeconds',
    'spec.ports[].{name protocol port targetPort nodePort appProtocol}',
    'status.loadBalancer.ingress[].{ip ipMode hostname ports} status.conditions',
  ],
  EndpointSlice: [
    'addressType ports[].{name protocol port appProtocol}',
    'endpoints[].{addresses nodeName zone hostname targetRef deprecatedTopology topology}',
    'endpoints[].conditions.{ready serving terminating} endpoints[].hints.{forZones[].name forNodes[].name}',
  ],
  Endpoints: [
    'subsets[].addresses[].{ip nodeName hostname targetRef} subsets[].notReadyAddresses[].{ip nodeName hostname targetRef}',
    'subsets[].ports[].{name protocol port appProtocol}',
  ],
} as const
type Table = keyof typeof API

const METADATA = { name: 'web', namespace: 'default', labels: { 'kubernetes.io/service-name': 'web' }, annotations: {} }
const FULL_METADATA = { ...METADATA, creationTimestamp: '2024-01-31T12:00:00Z' }
const PORT = { name: 'http', protocol: 'TCP', port: 8080, appProtocol: 'http' }
const ADDRESS = { ip: '10.1.0.1', nodeName: 'node-1', hostname: 'a', targetRef: {} }
/** One object of each kind in which every field can be set. */
const SAMPLES: Readonly<Record<Exclude<Table, 'Every object'>, Json>> = {
  Service: {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: FULL_METADATA,
    spec: {
      type: 'LoadBalancer',
      clusterIP: '10.0.0.1',
      externalTrafficPolicy: 'Local',
      sessionAffinity: 'ClientIP',
      sessionAffinityConfig: { clientIP: { timeoutSeconds: 10 } },
      ports: [{ ...PORT, nodePort: 30_080 }],
    },
    status: { loadBalancer: { ingress: [{ ip: '203.0.113.1' }] } },
  },
  EndpointSlice: {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: FULL_METADATA,
    addressType: 'IPv4',
    ports: [PORT],
    endpoints: [{ addresses: ['10.1.0.1'], conditions: {}, hints: { forZones: [{ name: 'a' }], forNodes: [{ name: 'b' }] } }],
  },
  Endpoints: {
    apiVersion: 'v1',
    kind: 'Endpoints',
    metadata: FULL_METADATA,
    subsets: [{ addresses: [ADDRESS], notReadyAddresses: [{ ...ADDRESS, ip: '10.1.0.2' }], ports: [PORT] }],
  },
}

/** `a.{b c} d` → `a.b`, `a.c`, `d`. */
function unfold(line: string): string[] {
  return [...line.matchAll(/(\S*?)\{([^}]*)\}|(\S+)/g)].flatMap(([, stem = '', parts, plain]) =>
    parts === undefined ? [plain as string] : parts.split(' ').map((part) => stem + part),
  )
}

const page = readFileSync(join(import.meta.dirname, '../../docs/services.md'), 'utf8')

/** Fields of a table of the page, and whether they are said to be ignored. */
function documented(table: Table): Map<string, boolean> {
  const section = page.split(/^## /m).find((text) => text.startsWith(`${table}\n`)) ?? ''
  const rows = section.split('\n').flatMap((line) => {
    const [, names, meaning = ''] = /^\| (`[^|]*`) \| (.*) \|$/.exec(line) ?? []
    const ignored = /^ignored\b/.test(meaning)
    return (names?.split(', ') ?? []).map((name) => [name.slice(1, -1), ignored] as const)
  })
  return new Map(rows)
}

/** Paths of everything a schema reads. */
function fieldsOf(schema: z.core.$ZodType, path = ''): string[] {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodNullable || schema instanceof z.ZodDefault) {
    return fieldsOf(schema.unwrap(), path)
  }
  if (schema instanceof z.ZodArray) return isObject(schema.element) ? fieldsOf(schema.element, `${path}[]`) : [path]
  if (!isObject(schema)) return [path]
  return Object.entries(schema.shape).flatMap(([key, part]) => fieldsOf(part, path === '' ? key : `${path}.${key}`))
}

function isObject(schema: z.core.$ZodType): schema is z.ZodObject {
  return schema instanceof z.ZodObject
}

/** What is made of an object, and what is said of it. */
function outcome(object: Json): unknown {
  const parser = createObjectParser(DEFAULT_PARSE_OPTIONS)
  const { endpoints, notes, problems, services } = parser.parse([
    { value: object, origin: { place: 'a.yaml', line: 1, lines: undefined } },
  ])
  return { services: [...services], endpoints: [...endpoints], notes, problems: problems.map(showProblem) }
}

/** The object with nonsense in a field; of a list, in its first item. */
function withNonsense(object: Json, path: string): Json {
  const copy = structuredClone(object)
  const steps = path.replaceAll('[]', '.0').split('.')
  let part = copy
  for (const step of steps.slice(0, -1)) {
    part[step] ??= {}
    part = part[step] as Json
  }
  part[steps.at(-1) as string] = 5.5
  return copy
}

describe('docs/services.md', () => {
  it.each(Object.keys(API) as Table[])('has every field of: %s', (table) => {
    expect([...documented(table).keys()].sort()).toEqual(API[table].flatMap(unfold).sort())
  })

  it.each([
    ['Service', serviceSchema],
    ['EndpointSlice', sliceSchema],
    ['Endpoints', endpointsSchema],
  ] as const)('says of nothing that it is ignored which is read: %s', (table, schema) => {
    const all = new Map([...documented('Every object'), ...documented(table)])
    const read = fieldsOf(schema)
    expect(read.length).toBeGreaterThan(8)
    expect(read.filter((field) => all.get(field) !== false)).toEqual([])
  })

  const rows = (Object.keys(SAMPLES) as (keyof typeof SAMPLES)[]).flatMap((table) =>
    [...documented('Every object'), ...documented(table)].map(([field, ignored]) => ({ table, field, ignored })),
  )
  it.each(rows)('is right about nonsense in $field of a $table: ignored is $ignored', ({ table, field, ignored }) => {
    const before = outcome(SAMPLES[table])
    const after = outcome(withNonsense(SAMPLES[table], field))
    if (ignored) expect(after).toEqual(before)
    else expect(after).not.toEqual(before)
  })

  it('is tried with objects that are right', () => {
    for (const object of Object.values(SAMPLES)) expect(JSON.stringify(outcome(object))).not.toContain('error')
  })
})
