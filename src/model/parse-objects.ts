import type { EndpointGroup } from './endpoint.ts'
import { Findings, locate, placeFindings } from './findings.ts'
import type { ServiceKey } from './keys.ts'
import { checkLinks } from './link-objects.ts'
import type { Node } from './node.ts'
import type { Located, ObjectSet } from './objects.ts'
import { type ParsedObject, parseObject } from './parse-object.ts'
import type { ParseOptions } from './parse-options.ts'
import type { Problem } from './problem.ts'
import type { Service } from './service.ts'
import type { Origin, SourceObject } from './source-object.ts'

/** Turns what sources found into an {@link ObjectSet}; remembers what it read as long as the values live. */
export interface ObjectParser {
  /** Objects in the order of their precedence: of two with one name the first one counts. Never throws. */
  parse(objects: readonly SourceObject[]): ObjectSet
}

/** One value, read, and the last place where it stood. */
interface Memory {
  readonly parsed: ParsedObject
  readonly origin: Origin
  readonly service: Located<Service> | undefined
  readonly groups: readonly Located<EndpointGroup>[]
}

type Groups = Map<ServiceKey, Located<EndpointGroup>[]>

const MOST_NAMED = 3

export function createObjectParser(options: ParseOptions): ObjectParser {
  const memories = new WeakMap<object, Memory>()
  let previous: ObjectSet['endpoints'] = new Map()

  function recall({ value, origin }: SourceObject): Memory {
    const known = isObject(value) ? memories.get(value) : undefined
    if (known && isSameOrigin(known.origin, origin)) return known
    const memory = remember(known?.parsed ?? parseObject(value, options), origin)
    if (isObject(value)) memories.set(value, memory)
    return memory
  }

  return {
    parse(objects) {
      const problems: Problem[] = []
      const services = new Map<ServiceKey, Located<Service>>()
      const serviceObjects = new Map<ServiceKey, SourceObject>()
      const nodes = new Map<string, Node>()
      const slices: Groups = new Map()
      const subsets: Groups = new Map()
      const endpointObjects = new Map<ServiceKey, SourceObject>()
      const broken = new Set<string>()
      const owners = new Map<string, SourceObject>()
      const ignored = new Map<string, number>()

      for (const object of objects) {
        const { parsed, service, groups } = recall(object)
        for (const problem of placeFindings(parsed.findings, parsed.subject, object.origin, object.value)) problems.push(problem)
        if (parsed.is === 'broken') broken.add(parsed.subject)
        else if (parsed.is === 'other') ignored.set(parsed.kind, (ignored.get(parsed.kind) ?? 0) + 1)
        else {
          const owner = owners.get(parsed.subject)
          if (owner) {
            problems.push(...sayDuplicate(object, parsed.subject, owner))
            continue
          }
          owners.set(parsed.subject, object)
          if (parsed.is === 'node') nodes.set(parsed.node.name, parsed.node)
          if (service) {
            services.set(service.value.key, service)
            serviceObjects.set(service.value.key, object)
          }
          for (const group of groups) {
            append(parsed.is === 'slice' ? slices : subsets, group)
            if (!endpointObjects.has(group.value.service)) endpointObjects.set(group.value.service, object)
          }
        }
      }

      const overridden = [...subsets.keys()].filter((key) => slices.has(key))
      const endpoints = settle(new Map([...subsets, ...slices]), previous)
      previous = endpoints
      const links = checkLinks({ services, endpoints, serviceObjects, endpointObjects, broken })
      return {
        services,
        endpoints,
        nodes,
        problems: problems.concat(links),
        notes: [...noteIgnored(ignored), ...noteOverridden(overridden)],
      }
    },
  }
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}

function isSameOrigin(one: Origin, other: Origin): boolean {
  return one === other || (one.place === other.place && one.line === other.line && one.lines === other.lines)
}

function remember(parsed: ParsedObject, origin: Origin): Memory {
  const service = parsed.is === 'service' ? { value: parsed.service, origin } : undefined
  const groups = parsed.is === 'slice' || parsed.is === 'endpoints' ? parsed.groups.map((value) => ({ value, origin })) : []
  return { parsed, origin, service, groups }
}

function append(groups: Groups, group: Located<EndpointGroup>): void {
  const others = groups.get(group.value.service)
  if (others) others.push(group)
  else groups.set(group.value.service, [group])
}

/** Sorts every list by object, for files may be written in any order, and keeps last time's list where it is the same. */
function settle(endpoints: Groups, previous: ObjectSet['endpoints']): ObjectSet['endpoints'] {
  const settled = new Map<ServiceKey, readonly Located<EndpointGroup>[]>()
  for (const [key, groups] of endpoints) {
    if (groups.length > 1) groups.sort((a, b) => (a.value.object < b.value.object ? -1 : a.value.object > b.value.object ? 1 : 0))
    const before = previous.get(key)
    const same = before?.length === groups.length && groups.every((group, index) => group === before[index])
    settled.set(key, before && same ? before : groups)
  }
  return settled
}

function sayDuplicate(object: SourceObject, subject: string, owner: SourceObject): Problem[] {
  const findings = new Findings()
  const place = locate(owner.origin, owner.value, [])
  findings.warn('duplicate', [], undefined, `must be there once: this one is ignored, for ${place} comes first`)
  return placeFindings(findings.list(), subject, object.origin, object.value)
}

function noteIgnored(ignored: ReadonlyMap<string, number>): string[] {
  return [...ignored].map(([kind, count]) => `ignored: kind ${kind} (${count} ${count === 1 ? 'object' : 'objects'})`)
}

function noteOverridden(keys: readonly ServiceKey[]): string[] {
  if (keys.length === 0) return []
  const more = keys.length > MOST_NAMED ? ` and ${keys.length - MOST_NAMED} more` : ''
  return [`ignored: Endpoints of Services that have EndpointSlices (${keys.slice(0, MOST_NAMED).join(', ')}${more})`]
}
