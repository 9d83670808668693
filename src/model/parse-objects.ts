import { finish, type Steps } from '../lib/steps.ts'
import type { EndpointGroup } from './endpoint.ts'
import { Findings, locate, placeFindings } from './findings.ts'
import type { ServiceKey } from './keys.ts'
import { checkLinks, hasLinkFindings } from './link-objects.ts'
import type { Node } from './node.ts'
import type { Located, ObjectSet } from './objects.ts'
import { type ParsedObject, parseObject } from './parse-object.ts'
import type { ParseOptions } from './parse-options.ts'
import type { Problem } from './problem.ts'
import type { Service } from './service.ts'
import type { Origin, SourceObject } from './source-object.ts'

/** Turns what sources found into an {@link ObjectSet}; remembers what it read last. */
export interface ObjectParser {
  /** Objects in the order of their precedence: of two with one name the first one counts. Never throws. */
  parse(objects: readonly SourceObject[]): ObjectSet
  /** The same, with a step for each object. What it read last is what the last one that ended read; one at a time. */
  parseInSteps(objects: readonly SourceObject[]): Steps<ObjectSet>
}

/** One value, read, and the last place where it stood. */
interface Memory {
  readonly parsed: ParsedObject
  readonly origin: Origin
  readonly service: Located<Service> | undefined
  readonly groups: readonly Located<EndpointGroup>[]
}

/** What the last parse was given, what became of each object, and of all of them. */
interface Last {
  readonly objects: readonly SourceObject[]
  readonly memories: readonly Memory[]
  readonly set: ObjectSet
  /** By subject: the object that counts. */
  readonly owners: Map<string, SourceObject>
}

type Groups = Map<ServiceKey, Located<EndpointGroup>[]>

const MOST_NAMED = 3
/** More changed slices than this are not put in one by one. */
const MOST_REPLACED = 100

export function createObjectParser(options: ParseOptions): ObjectParser {
  let last: Last = { objects: [], memories: [], set: NOTHING, owners: new Map() }

  function recall({ value, origin }: SourceObject, known: Memory | undefined): Memory {
    if (known && isSameOrigin(known.origin, origin)) return known
    return remember(known?.parsed ?? parseObject(value, options), origin)
  }

  function* parseInSteps(objects: readonly SourceObject[]): Steps<ObjectSet> {
    const { from, end, endBefore } = changedPart(objects, last.objects)
    if (from === end && from === endBefore) return last.set
    const known = new Map<unknown, Memory>()
    for (let at = from; at < endBefore; at++) known.set(last.objects[at]?.value, last.memories[at] as Memory)
    const moved = objects.slice(from, end)
    const changed: Memory[] = []
    for (const object of moved) {
      changed.push(recall(object, known.get(object.value)))
      yield
    }
    const memories = [...last.memories.slice(0, from), ...changed, ...last.memories.slice(endBefore)]
    const set = end === endBefore ? replaceSlices(moved, changed, from, last) : undefined
    if (set) {
      last = { ...last, objects, memories, set }
      return set
    }
    last = yield* collect(objects, memories, last.set)
    return last.set
  }

  return { parse: (objects) => finish(parseInSteps(objects)), parseInSteps }
}

const NOTHING: ObjectSet = { services: new Map(), endpoints: new Map(), nodes: new Map(), problems: [], notes: [] }

/** Where two lists differ: what is before and after is the same in both. */
function changedPart(objects: readonly SourceObject[], before: readonly SourceObject[]) {
  const shorter = Math.min(objects.length, before.length)
  let from = 0
  while (from < shorter && objects[from] === before[from]) from++
  let same = 0
  while (same < shorter - from && objects.at(-1 - same) === before.at(-1 - same)) same++
  return { from, end: objects.length - same, endBefore: before.length - same }
}

/** The short way for what happens most: slices have other endpoints, and nothing else changed. Undefined where it is not so,
 *  or where there is anything to say about it. */
function replaceSlices(
  objects: readonly SourceObject[],
  changed: readonly Memory[],
  from: number,
  { objects: objectsBefore, memories, set, owners }: Last,
): ObjectSet | undefined {
  if (changed.length > MOST_REPLACED) return undefined
  const endpoints = new Map(set.endpoints)
  for (const [index, { parsed, groups }] of changed.entries()) {
    const before = memories[from + index] as Memory
    const [group] = groups
    const [groupBefore] = before.groups
    if (parsed.is !== 'slice' || parsed.findings.length + before.parsed.findings.length > 0 || !group || !groupBefore)
      return undefined
    const { service: key } = group.value
    if (parsed.subject !== before.parsed.subject || key !== groupBefore.value.service) return undefined
    // Others may say on which line it is: a second one of its name does.
    if (group.origin.place !== groupBefore.origin.place || group.origin.line !== groupBefore.origin.line) return undefined
    const list = endpoints.get(key) ?? []
    const service = set.services.get(key)
    if (owners.get(parsed.subject) !== objectsBefore[from + index] || !list.includes(groupBefore) || !service) return undefined
    const replaced = list.map((one) => (one === groupBefore ? group : one))
    if (hasLinkFindings(service.value, list) || hasLinkFindings(service.value, replaced)) return undefined
    endpoints.set(key, replaced)
  }
  for (const [index, { parsed }] of changed.entries()) owners.set(parsed.subject, objects[index] as SourceObject)
  return { ...set, endpoints }
}

/** Puts everything together. */
function* collect(objects: readonly SourceObject[], memories: readonly Memory[], previous: ObjectSet): Steps<Last> {
  const owners = new Map<string, SourceObject>()
  const problems: Problem[] = []
  const services = new Map<ServiceKey, Located<Service>>()
  const nodes = new Map<string, Node>()
  const slices: Groups = new Map()
  const subsets: Groups = new Map()
  const broken = new Set<string>()
  const ignored = new Map<string, number>()

  for (const [index, object] of objects.entries()) {
    yield
    const { parsed, service, groups } = memories[index] as Memory
    if (parsed.findings.length > 0) {
      for (const problem of placeFindings(parsed.findings, parsed.subject, object.origin, object.value)) problems.push(problem)
    }
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
      if (service) services.set(service.value.key, service)
      for (const group of groups) append(parsed.is === 'slice' ? slices : subsets, group)
    }
  }

  const overridden = [...subsets.keys()].filter((key) => slices.has(key))
  const endpoints = yield* settle(subsets.size === 0 ? slices : new Map([...subsets, ...slices]), previous.endpoints)
  const links = yield* checkLinks({ services, endpoints, owners, broken })
  const set: ObjectSet = {
    services: sameEntries(services, previous.services) ? previous.services : services,
    endpoints,
    nodes,
    problems: problems.concat(links),
    notes: [...noteIgnored(ignored), ...noteOverridden(overridden)],
  }
  return { objects, memories, set, owners }
}

function sameEntries<K, V>(one: ReadonlyMap<K, V>, other: ReadonlyMap<K, V>): boolean {
  if (one.size !== other.size) return false
  for (const [key, value] of one) if (other.get(key) !== value) return false
  return true
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
function* settle(endpoints: Groups, previous: ObjectSet['endpoints']): Steps<ObjectSet['endpoints']> {
  const settled = new Map<ServiceKey, readonly Located<EndpointGroup>[]>()
  for (const [key, groups] of endpoints) {
    yield
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
