import { endpointKey, type Ip, type Port } from '../model/keys.ts'
import type { IpvsFinding } from '../runtime/ipvs.ts'
import type { VipPlan } from '../vip/vip-mode.ts'
import type { AnswerFacts, TransparentFacts } from './doctor-transparent.ts'

/** What the doctor looks at; `undefined` where this system does not tell. */
export interface DoctorFacts {
  readonly nodeVersion: string
  /** The engine that `run` would take, and why; or why it could not start. */
  readonly engine:
    | { readonly name: 'native' | 'node'; readonly reason: string; readonly workers: number }
    | { readonly failed: string }
  /** What `run` would do about addresses that the machine lacks, and why; or why it could not start. */
  readonly vips: VipPlan | { readonly failed: string }
  readonly engineWanted: 'auto' | 'native' | 'node'
  /** Descriptors that sessions may hold. */
  readonly descriptors: number
  /** The lowest port that anybody may listen on. */
  readonly firstFreePort: number | undefined
  /** Effective capabilities, by the kernel's numbers. */
  readonly capabilities: readonly number[] | undefined
  /** Addresses of this machine that answer on nodePorts. */
  readonly nodeAddresses: readonly Ip[]
  /** What the given files of objects need; undefined: none were given. */
  readonly objects: ObjectFacts | undefined
  readonly inotify: { readonly watches: number; readonly instances: number } | undefined
  readonly sctp: boolean
  readonly clockSource: string | undefined
  /** Milliseconds since 1970. */
  readonly wallMs: number
  readonly ipvs: IpvsFinding
}

export interface ObjectFacts {
  readonly errors: number
  readonly listeners: number
  /** Of the listeners, those below {@link DoctorFacts.firstFreePort} and elsewhere. */
  readonly ports: readonly Port[]
  /** Addresses that nothing can be bound to, and that `run` would not make local. */
  readonly missing: readonly Ip[]
  /** Undefined: no Service wants its endpoints to see the clients' own addresses. */
  readonly transparent: TransparentFacts | undefined
}

/** What one check came to. */
export interface Diagnosis {
  readonly name: string
  readonly status: 'ok' | 'warn' | 'fail'
  readonly found: string
  /** What to do about it; empty when it is ok. */
  readonly fix: string
}

type Verdict = Omit<Diagnosis, 'name'>

const RECOMMENDED_NODE = 24
/** Sessions that nobody should have to think about. */
const FEW_SESSIONS = 10_000
const FEW_WATCHES = 8_192
const FEW_INSTANCES = 64
/** Clocks that are read over a bus: slow enough to be seen under load. */
const SLOW_CLOCKS = ['acpi_pm', 'hpet', 'pit', 'jiffies', 'refined-jiffies']
/** No machine that runs this has a right clock that says less. */
const EARLIEST_MS = Date.UTC(2025, 0, 1)

const CAP_NET_BIND_SERVICE = 10
/** The capabilities that something here is better with. */
const CAPABILITIES: readonly (readonly [number: number, name: string])[] = [
  [CAP_NET_BIND_SERVICE, 'CAP_NET_BIND_SERVICE'],
  [12, 'CAP_NET_ADMIN'],
  [13, 'CAP_NET_RAW'],
]

/** A check without a verdict has nothing to look at. */
const CHECKS: readonly (readonly [name: string, check: (facts: DoctorFacts) => Verdict | undefined])[] = [
  ['node', checkNode],
  ['engine', checkEngine],
  ['descriptors', checkDescriptors],
  ['low-ports', checkLowPorts],
  ['vips', checkVips],
  ['addresses', checkAddresses],
  ['transparent', checkTransparent],
  ['objects', checkObjects],
  ['inotify', checkInotify],
  ['sctp', checkSctp],
  ['capabilities', checkCapabilities],
  ['clock', checkClock],
  ['ipvs', checkIpvs],
]

/** Says of each thing whether it is as portald needs it. */
export function diagnose(facts: DoctorFacts): readonly Diagnosis[] {
  return CHECKS.flatMap(([name, check]) => {
    const verdict = check(facts)
    return verdict ? [{ name, ...verdict }] : []
  })
}

function ok(found: string): Verdict {
  return { status: 'ok', found, fix: '' }
}

function checkNode({ nodeVersion }: DoctorFacts): Verdict {
  const found = `Node.js ${nodeVersion}`
  if (Number.parseInt(nodeVersion, 10) >= RECOMMENDED_NODE) return ok(found)
  return { status: 'warn', found, fix: `Node.js ${RECOMMENDED_NODE} is recommended` }
}

function checkEngine({ engine, engineWanted }: DoctorFacts): Verdict {
  if ('failed' in engine) return { status: 'fail', found: engine.failed, fix: 'give --engine auto or --engine node' }
  const { name, reason, workers } = engine
  const found = name === 'native' ? `native, ${count(workers, 'worker')}: ${reason}` : `node: ${reason}`
  if (name === 'native' || engineWanted === 'node') return ok(found)
  return { status: 'warn', found, fix: 'it serves, on one core; docs/engines.md: what native needs' }
}

function checkDescriptors({ descriptors }: DoctorFacts): Verdict {
  const sessions = Math.floor(descriptors / 2)
  const found = `room for about ${sessions} TCP sessions`
  if (sessions >= FEW_SESSIONS) return ok(found)
  return { status: 'warn', found, fix: 'raise the limit: LimitNOFILE=1048576 in a unit, or ulimit -n' }
}

function checkLowPorts({ firstFreePort, capabilities, objects }: DoctorFacts): Verdict {
  if (firstFreePort === undefined) return ok('this system does not say who may listen on them')
  if (firstFreePort <= 1) return ok('anybody may listen on any port')
  if (capabilities?.includes(CAP_NET_BIND_SERVICE)) return ok(`those below ${firstFreePort} can be listened on`)
  const fix = 'give it CAP_NET_BIND_SERVICE, as examples/systemd does'
  const wanted = [...new Set(objects?.ports.filter((port) => port < firstFreePort))].toSorted((a, b) => a - b)
  if (wanted.length > 0) return { status: 'fail', found: `not permitted below ${firstFreePort}; wanted: ${some(wanted)}`, fix }
  const found = `not permitted below ${firstFreePort}`
  return objects ? ok(`${found}, and none is wanted`) : { status: 'warn', found, fix }
}

function checkVips({ vips }: DoctorFacts): Verdict {
  if ('failed' in vips) return { status: 'fail', found: vips.failed, fix: 'give --vip-mode auto; docs/vips.md: what it takes' }
  return ok(`${vips.mode}: ${vips.reason}`)
}

function checkAddresses({ nodeAddresses, objects }: DoctorFacts): Verdict {
  const own = nodeAddresses.length === 0 ? 'none answers on nodePorts' : `on nodePorts: ${some(nodeAddresses)}`
  if (objects && objects.missing.length > 0) {
    const { missing } = objects
    const found = `not on this machine: ${some(missing)}`
    return { status: 'fail', found, fix: 'let --vip-mode anyip make them local, or add them: docs/vips.md' }
  }
  if (nodeAddresses.length > 0) return ok(objects ? `those of ${count(objects.listeners, 'listener')} are here; ${own}` : own)
  return { status: 'warn', found: own, fix: 'give --node-ip, or other ranges in --nodeport-addresses' }
}

const ON_TRANSPARENT = 'docs/vips.md, "The client\'s own address"'

/** Whether endpoints may see the clients' own addresses, and what they answer comes back to us. */
function checkTransparent({ objects }: DoctorFacts): Verdict | undefined {
  if (!objects?.transparent) return undefined
  const { lacks, answers } = objects.transparent
  if (lacks !== undefined) return { status: 'fail', found: `${lacks}: endpoints see this machine`, fix: ON_TRANSPARENT }
  if ('unknown' in answers) {
    return { status: 'warn', found: `cannot see how answers are routed: ${answers.unknown}`, fix: ON_TRANSPARENT }
  }
  const unreachable = answers.filter(({ device }) => device === undefined)
  if (unreachable.length > 0) {
    return { status: 'fail', found: `no route to ${some(unreachable.map(showEndpoint))}`, fix: 'add one' }
  }
  const lost = answers.filter(({ deliveredIf }) => deliveredIf.length === 0)
  if (lost.length > 0) {
    const [{ device, endpoint }] = lost as [AnswerFacts, ...AnswerFacts[]]
    const rule = `iif ${device} ipproto ${endpoint.protocol.toLowerCase()} sport ${endpoint.address.port}`
    const found = `answers are not delivered here from ${some(lost.map(showEndpoint))}`
    return { status: 'fail', found, fix: `add rule "${rule}": docs/vips.md` }
  }
  const conditions = [...new Set(answers.flatMap(({ deliveredIf }) => deliveredIf))].filter((condition) => condition !== '')
  const only = conditions.length > 0 ? `, some only if ${conditions.join(', or ')}` : ''
  return ok(`answers of ${count(answers.length, 'endpoint')} are delivered here${only}`)
}

function showEndpoint({ endpoint }: AnswerFacts): string {
  return endpointKey(endpoint.address, endpoint.protocol)
}

function checkObjects({ objects }: DoctorFacts): Verdict {
  if (!objects) return ok('not looked at: no --file was given')
  if (objects.errors === 0) return ok(`no error, ${count(objects.listeners, 'listener')}`)
  const found = `${count(objects.errors, 'error')}, ${count(objects.listeners, 'listener')}`
  return { status: 'warn', found, fix: 'portald check says which' }
}

function checkInotify({ inotify }: DoctorFacts): Verdict {
  if (!inotify) return ok('not on this system; files are looked at every 5 s')
  const found = `${inotify.watches} watches, ${inotify.instances} instances for each user`
  if (inotify.watches >= FEW_WATCHES && inotify.instances >= FEW_INSTANCES) return ok(found)
  return {
    status: 'warn',
    found,
    fix: 'raise fs.inotify.max_user_watches and max_user_instances',
  }
}

function checkSctp({ sctp }: DoctorFacts): Verdict {
  return ok(
    sctp ? 'the kernel has its own loaded: none of ours beside it' : "the kernel's own is not loaded: ours needs CAP_NET_RAW",
  )
}

function checkCapabilities({ capabilities }: DoctorFacts): Verdict {
  if (capabilities === undefined) return ok('this system does not say')
  const names = CAPABILITIES.filter(([number]) => capabilities.includes(number)).map(([, name]) => name)
  const others = capabilities.length - names.length
  if (others === 0) return ok(names.length === 0 ? 'none' : names.join(', '))
  const found = [...names, `${others} it does not need`].join(', ')
  return { status: 'warn', found, fix: 'run it as a user of its own: examples/systemd does' }
}

function checkClock({ clockSource, wallMs }: DoctorFacts): Verdict {
  const now = new Date(wallMs).toISOString()
  if (wallMs < EARLIEST_MS) return { status: 'fail', found: `it says ${now}`, fix: 'set it, or start a time service' }
  const found = clockSource === undefined ? now : `${now}, from ${clockSource}`
  if (clockSource === undefined || !SLOW_CLOCKS.includes(clockSource)) return ok(found)
  return { status: 'warn', found, fix: 'it is slow to read: boot with clocksource=tsc if the machine can' }
}

function checkIpvs({ ipvs }: DoctorFacts): Verdict {
  return ok(`${ipvs.works ? 'works here' : 'does not work here'}: ${ipvs.reason}`)
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`
}

const MOST_NAMED = 4

/** The first few of a list, and how many more. */
function some(values: readonly (string | number)[]): string {
  const more = values.length > MOST_NAMED ? ` and ${values.length - MOST_NAMED} more` : ''
  return values.slice(0, MOST_NAMED).join(', ') + more
}
