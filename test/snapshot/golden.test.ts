import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parseCidr } from '../../src/model/address.ts'
import type { Cidr } from '../../src/model/keys.ts'
import { createObjectParser } from '../../src/model/parse-objects.ts'
import { DEFAULT_PARSE_OPTIONS } from '../../src/model/parse-options.ts'
import { showProblem } from '../../src/model/problem.ts'
import type { HealthCheck, Route, Snapshot } from '../../src/model/snapshot.ts'
import { compile } from '../../src/snapshot/compile.ts'
import { parseDocuments } from '../../src/source/documents.ts'
import { aNode } from '../support/objects.ts'

const FOLDER = join(import.meta.dirname, '..', 'golden')
const RECORDING = process.env['PORTALD_RECORD_GOLDEN'] === '1'
const NODE = aNode(['192.0.2.1', '2001:db8::1'], { 'topology.kubernetes.io/zone': 'zone-a' })
const RANGE = parseCidr('10.96.0.0/16') as Cidr

function compileFile(path: string): { readonly snapshot: Snapshot; readonly notes: readonly string[] } {
  const place = basename(path)
  const documents = parseDocuments(readFileSync(path, 'utf8'), place)
  if ('problem' in documents) throw new Error(showProblem(documents.problem))
  const found = documents.objects.map(({ value, line, lines }) => ({ value, origin: { place, line, lines } }))
  const objects = createObjectParser(DEFAULT_PARSE_OPTIONS).parse(found)
  const options = { clusterIpRange: RANGE, nodePortRange: DEFAULT_PARSE_OPTIONS.nodePortRange, transparentSource: true }
  return { snapshot: compile(objects, NODE, options, undefined), notes: objects.notes }
}

/** What a reviewer wants to see of it. */
function summarise({ snapshot, notes }: ReturnType<typeof compileFile>): object {
  return {
    listeners: Object.fromEntries([...snapshot.routes.values()].map((route) => [route.key, summariseRoute(route)])),
    healthChecks: Object.fromEntries([...snapshot.healthChecks.values()].map(summariseCheck)),
    assigned: Object.fromEntries(
      [...snapshot.services].flatMap(([key, { clusterIps, nodePorts }]) => [
        ...(snapshot.assigned.addresses.has(key) ? [[key, clusterIps[0]]] : []),
        ...[...nodePorts].filter(([port]) => snapshot.assigned.ports.has(port)),
      ]),
    ),
    problems: snapshot.problems.map(showProblem),
    notes,
  }
}

function summariseCheck({ key, namespace, name, localEndpoints }: HealthCheck): [string, object] {
  return [key, { service: `${namespace}/${name}`, localEndpoints }]
}

function summariseRoute(route: Route): object {
  const { kind, port, service, policy, endpoints, localClients, localClientEndpoints, sourceRanges } = route
  return {
    kind,
    service: port.key,
    policy,
    endpoints: endpoints.map(({ key }) => key),
    ...(localClients.length > 0 && { endpointsForClientsOnThisNode: localClientEndpoints.map(({ key }) => key) }),
    affinitySeconds: service.affinityTimeoutMs === undefined ? null : service.affinityTimeoutMs / 1000,
    sourceRanges,
    options: service.options,
  }
}

describe('objects of a golden file', () => {
  const names = readdirSync(FOLDER)
    .filter((name) => name.endsWith('.yaml'))
    .map((name) => basename(name, '.yaml'))

  it.each(names)('compile as recorded: %s', (name) => {
    const text = `${JSON.stringify(summarise(compileFile(join(FOLDER, `${name}.yaml`))), undefined, 2)}\n`
    const recorded = join(FOLDER, `${name}.json`)
    if (RECORDING) writeFileSync(recorded, text)
    expect(JSON.parse(text), 'see test/golden/README.md').toEqual(JSON.parse(readFileSync(recorded, 'utf8')))
  })

  it('have a recording each, and no recording is left over', () => {
    const recordings = readdirSync(FOLDER).filter((name) => name.endsWith('.json'))
    expect(recordings.map((name) => basename(name, '.json')).sort()).toEqual([...names].sort())
  })
})
