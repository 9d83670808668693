import { createObjectParser } from '../../src/model/parse-objects.ts'
import { DEFAULT_PARSE_OPTIONS, type ParseOptions } from '../../src/model/parse-options.ts'
import type { Problem } from '../../src/model/problem.ts'
import type { Origin, SourceObject } from '../../src/model/source-object.ts'

/** JSON as it is written, before anyone has looked at it. */
export type Json = Record<string, unknown>

/** A Service `default/web` with one port; `spec` and `rest` overlay it. */
export function aService(spec: Json = {}, rest: Json = {}): Json {
  const { metadata, ...others } = rest
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'web', ...(metadata as Json | undefined) },
    spec: { clusterIP: '10.0.0.1', ports: [{ port: 80 }], ...spec },
    ...others,
  }
}

/** An EndpointSlice of `default/web` with one endpoint; `rest` overlays it. */
export function aSlice(rest: Json = {}): Json {
  const { metadata, ...others } = rest
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: 'web-1', labels: { 'kubernetes.io/service-name': 'web' }, ...(metadata as Json | undefined) },
    addressType: 'IPv4',
    ports: [{ name: '', port: 8080 }],
    endpoints: [{ addresses: ['10.1.0.1'] }],
    ...others,
  }
}

/** v1 Endpoints of `default/web` with these subsets. */
export function someEndpoints(...subsets: Json[]): Json {
  return { apiVersion: 'v1', kind: 'Endpoints', metadata: { name: 'web' }, subsets }
}

export function at(line: number, place = 'a.yaml'): Origin {
  return { place, line, lines: undefined }
}

/** The objects as if each stood ten lines below the one before. */
export function placed(...values: unknown[]): SourceObject[] {
  return values.map((value, index) => ({ value, origin: at(index * 10 + 1) }))
}

export function parseAll(values: readonly unknown[], options: Partial<ParseOptions> = {}) {
  return createObjectParser({ ...DEFAULT_PARSE_OPTIONS, ...options }).parse(placed(...values))
}

/** What is wrong, in short: `error port-range spec.ports[0].port`. */
export function inShort(problems: readonly Problem[]): string[] {
  return problems.map(({ severity, code, field }) => [severity, code, field].filter((part) => part !== '').join(' '))
}
