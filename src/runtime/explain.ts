import type { AffinityTable } from '../affinity/affinity-table.ts'
import { Standing } from '../balancer/standing.ts'
import { showDuration } from '../lib/duration.ts'
import type { Random } from '../lib/random.ts'
import { ClientRanges } from '../listener/admission.ts'
import type { Decision, ListenerStatus } from '../listener/listener.ts'
import { fillClientAddress } from '../model/address.ts'
import type { PublishedRoute } from '../model/delta.ts'
import type { EndpointView, Explanation, ExplanationStep, Outcome } from '../model/explanation.ts'
import {
  type EndpointKey,
  endpointAddress,
  type Ip,
  type ListenerKey,
  listenerKey,
  type Protocol,
  type SocketAddress,
  showAddress,
} from '../model/keys.ts'
import type { SchedulerName } from '../model/service.ts'
import type { ClientAddress } from '../model/session.ts'
import type { Route, Snapshot } from '../model/snapshot.ts'
import type { EndpointPart, EndpointStatus } from '../model/status.ts'
import { type EndpointReading, readEndpoints } from './endpoint-status.ts'
import { clientsStep, rememberedOf } from './explain-clients.ts'
import { type Rehearsal, rehearse } from './rehearsal.ts'

/** What `explain` is asked. */
export interface Question {
  readonly client: Ip
  /** Undefined: TCP, else UDP, else SCTP. */
  readonly protocol: Protocol | undefined
  readonly destination: SocketAddress
}

export interface ExplainParts extends EndpointReading {
  readonly snapshot: Snapshot | undefined
  readonly addresses: readonly { readonly route: Route; readonly status: ListenerStatus }[]
  /** The route as the engine has it. */
  readonly published: (listener: ListenerKey) => PublishedRoute | undefined
  readonly endpointName: (slot: number) => { readonly key: EndpointKey } | undefined
  readonly affinity: Pick<AffinityTable, 'peek'>
  readonly random: Random
}

const PROTOCOLS: readonly Protocol[] = ['TCP', 'UDP', 'SCTP']
/** Ranges named in a step. */
const MOST_SHOWN = 5
const BY = {
  rr: 'turn',
  wrr: 'turn',
  lc: 'load',
  wlc: 'load',
  sed: 'load',
  nq: 'load',
  sh: 'hash',
  dh: 'hash',
  mh: 'hash',
  p2c: 'chance',
  random: 'chance',
} as const satisfies { readonly [Name in SchedulerName]: string }
const WHY: { readonly [State in EndpointPart]: string | undefined } = {
  serving: undefined,
  backup: undefined,
  draining: 'taken out at run time; sessions still run',
  drained: 'taken out at run time',
  'no-weight': 'its weight is 0: only clients with affinity',
  unhealthy: 'its health says that it does not work',
  'not-ready': 'the objects say that it is not ready',
  terminating: 'terminating, and others are not',
  elsewhere: "policy, hints or topology send this node's clients to others",
  removed: 'no object lists it any more',
}

/** Says what would become of a client's next session, step by step, and changes nothing: the policy that runs sessions is
 *  asked on a copy of what it decides by. */
export function explain({ client: ip, protocol, destination }: Question, parts: ExplainParts): Explanation {
  const head = { time: new Date(parts.clock.wall()).toISOString(), client: ip }
  const keys = (protocol ? [protocol] : PROTOCOLS).map((one) => listenerKey(one, destination))
  const address = parts.addresses.find(({ route }) => keys.includes(route.key))
  const route = address && parts.published(address.route.key)
  if (!address || !route) {
    const asked = `${protocol ? `${protocol}/` : ''}${showAddress(destination)}`
    const outcome: Outcome = { do: 'nothing', why: 'portald does not listen there' }
    return { ...head, destination: asked, steps: [nothingThere(destination, parts)], endpoints: [], outcome }
  }
  const { key, kind, port } = address.route
  const listener = { listener: key, kind, service: port.key, state: address.status.state }
  return { ...head, destination: key, listener, ...play(address.route, address.status, route, ip, parts) }
}

function play(
  compiled: Route,
  status: ListenerStatus,
  route: PublishedRoute,
  ip: Ip,
  parts: ExplainParts,
): Pick<Explanation, 'steps' | 'endpoints' | 'outcome'> {
  const client: ClientAddress = { word0: 0, word1: 0, word2: 0, word3: 0, port: 0 }
  fillClientAddress(ip, 0, client)
  const isLocal = route.forLocalClients !== undefined && new ClientRanges(route.forLocalClients.clients).contains(client)
  const endpoints = readViews(compiled, route, isLocal, parts)
  const steps = [listenerStep(compiled, status)]
  if (!steps[0]?.passed) return { steps, endpoints, outcome: notListening(status) }
  if (route.acceptProxy) {
    const isBalancer = new ClientRanges(route.acceptProxy.from).contains(client)
    steps.push(acceptProxyStep(isBalancer))
    if (isBalancer) return { steps, endpoints, outcome: HEARD }
  }
  const had = rememberedOf(route, isLocal, client, parts.affinity, parts.clock.now())
  const fresh = had && had.ageMs < (route.affinityTimeoutMs as number) ? had : undefined
  const rehearsal = rehearse(route, client, fresh?.slot, route.acceptProxy !== undefined, parts)
  const [decision] = rehearsal.decisions as [Decision]
  const isDenied = decision.do === 'refuse' && decision.end === 'denied'
  if (route.sourceRanges.length > 0) steps.push(sourceRangesStep(route, isDenied))
  const clients = isDenied ? undefined : clientsStep(route.clientRules, client)
  if (clients) steps.push(clients)
  if (isDenied || clients?.passed === false) return { steps, endpoints, outcome: { do: 'refuse', end: 'denied' } }
  steps.push(endpointsStep(endpoints, isLocal))
  const isKept = fresh !== undefined && rehearsal.slots[0] === fresh.slot
  if (route.affinityTimeoutMs !== undefined) steps.push(affinityStep(route.affinityTimeoutMs, had, isKept, parts))
  if (!isKept) steps.push(schedulerStep(route.scheduler, decision))
  return { steps, endpoints, outcome: outcomeOf(rehearsal, isKept ? 'affinity' : BY[route.scheduler], parts) }
}

const SILENT = {
  opening: 'is about to be opened',
  parked: 'is parked: it has no endpoint',
  draining: 'takes nobody new: the process is about to end',
} as const

const HEARD: Outcome = {
  do: 'nothing',
  why: 'it is a load balancer, and the client that its PROXY header names decides: ask for that one',
}

/** What is near an address where nothing listens. */
function nothingThere({ ip, port }: SocketAddress, { snapshot, addresses }: ExplainParts): ExplanationStep {
  const near = addresses.map(({ route }) => route).filter(({ address }) => address.ip === ip)
  const services = [...new Set(near.map(({ port: { key } }) => key))]
  const says =
    near.length > 0
      ? `nothing listens on port ${port} of ${ip}; there ${services.length === 1 ? 'is' : 'are'} ${near.map(({ key }) => key).join(', ')}`
      : `no Service has the address ${ip}`
  const problems = snapshot?.problems.filter(({ value }) => value.includes(ip)) ?? []
  return { step: 'listener', passed: false, says: [says, ...problems.map(({ message }) => message)].join('; ') }
}

function listenerStep({ key, kind, port }: Route, status: ListenerStatus): ExplanationStep {
  const whose = `${key} is the ${kind} of ${port.key}`
  if (status.state === 'listening') return { step: 'listener', passed: true, says: whose }
  const why = status.state === 'failed' ? `cannot be listened on: ${status.message}` : SILENT[status.state]
  return { step: 'listener', passed: false, says: `${whose}, and ${why}` }
}

function notListening(status: ListenerStatus): Outcome {
  if (status.state === 'parked') return { do: 'refuse', end: 'no-endpoint' }
  return { do: 'nothing', why: status.state === 'failed' ? 'the address cannot be listened on' : `it is ${status.state}` }
}

function acceptProxyStep(isBalancer: boolean): ExplanationStep {
  return isBalancer
    ? { step: 'accept-proxy', passed: true, says: 'it may say on whose behalf it comes, and has to' }
    : { step: 'accept-proxy', passed: true, says: 'clients are those that load balancers name; directly it would be denied' }
}

function sourceRangesStep({ sourceRanges }: PublishedRoute, isDenied: boolean): ExplanationStep {
  const shown = sourceRanges.slice(0, MOST_SHOWN).join(', ')
  const ranges = sourceRanges.length > MOST_SHOWN ? `${shown} and ${sourceRanges.length - MOST_SHOWN} more` : shown
  return { step: 'source-ranges', passed: !isDenied, says: `the client is ${isDenied ? 'outside of' : 'inside of'} ${ranges}` }
}

function endpointsStep(endpoints: readonly EndpointView[], isLocal: boolean): ExplanationStep {
  const able = endpoints.filter((endpoint) => endpoint.in).length
  const whose = isLocal ? ', as for every client on this node' : ''
  return { step: 'endpoints', passed: able > 0, says: `${able} of ${endpoints.length} endpoints can be chosen${whose}` }
}

function affinityStep(
  timeoutMs: number,
  had: { readonly slot: number; readonly ageMs: number } | undefined,
  isKept: boolean,
  { endpointName }: ExplainParts,
): ExplanationStep {
  const name = had && endpointName(had.slot)
  const timeout = showDuration(timeoutMs)
  if (!had || !name) return { step: 'affinity', passed: true, says: `nothing is remembered of this client (kept for ${timeout})` }
  const last = `it went to ${endpointAddress(name.key)} ${showDuration(Math.round(had.ageMs / 1000) * 1000)} ago (kept for ${timeout})`
  if (isKept) return { step: 'affinity', passed: true, says: `${last}, and goes there again` }
  return {
    step: 'affinity',
    passed: true,
    says: had.ageMs >= timeoutMs ? `${last}, which is too long` : `${last}, which takes nothing now`,
  }
}

function schedulerStep(scheduler: SchedulerName, decision: Decision): ExplanationStep {
  if (decision.do === 'wait') return { step: 'scheduler', passed: false, says: `${scheduler} has nobody with a place to choose` }
  if (decision.do !== 'forward') return { step: 'scheduler', passed: false, says: `${scheduler} has nobody to choose` }
  return { step: 'scheduler', passed: true, says: `${scheduler} chooses ${endpointAddress(decision.endpoint.key)}` }
}

function outcomeOf(
  { decisions, slots }: Rehearsal,
  by: (Outcome & { readonly do: 'forward' })['by'],
  { endpointName }: ExplainParts,
): Outcome {
  const [first] = decisions as [Decision]
  if (first.do === 'refuse') return { do: 'refuse', end: first.end }
  if (first.do === 'wait') return { do: 'wait', withinMs: first.withinMs, end: first.end }
  const [endpoint = '', ...next] = slots.map((slot) => endpointAddress(endpointName(slot)?.key ?? ('' as EndpointKey)))
  return { do: 'forward', endpoint, next, by }
}

/** Every endpoint of the Service port, as far as this client is concerned. */
function readViews(compiled: Route, route: PublishedRoute, isLocal: boolean, parts: ExplainParts): EndpointView[] {
  const { key, ports } = { key: compiled.port.key, ports: parts.snapshot?.services.get(compiled.service.key)?.ports }
  const list = (isLocal && route.forLocalClients?.endpoints) || route.endpoints
  const listed = new Map(list.map(({ address, slot }) => [showAddress(address), slot]))
  const standing = new Standing(parts.ledger)
  return readEndpoints(key, ports?.get(key), [], parts).map((one) => {
    const slot = listed.get(one.endpoint)
    const isOut = slot === undefined || standing.isOut(slot, list, route.panicPercent)
    const why = slot === undefined ? notListed(one) : isOut || one.state !== 'unhealthy' ? WHY[one.state] : undefined
    const { endpoint, state, weight, backup, slowStart, lastFailure, sessions } = one
    return { endpoint, in: why === undefined, why, state, weight, backup, slowStart, lastFailure, active: sessions.active }
  })
}

function notListed({ state }: EndpointStatus): string {
  return WHY[state] ?? 'the traffic policy of this address sends clients to others'
}
