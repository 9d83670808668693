import { systemClock } from '../lib/clock.ts'
import { descriptorLimit } from '../lib/descriptor-limit.ts'
import { ProxyError } from '../lib/errors.ts'
import { type KernelFiles, kernelFiles } from '../lib/kernel-files.ts'
import { isLocalAddress } from '../lib/local-address.ts'
import { parsePrivileges } from '../lib/privileges.ts'
import type { Configuration, GivenValues } from '../model/config.ts'
import { type Problem, showProblem } from '../model/problem.ts'
import { descriptorsForSessions, planEngine } from '../runtime/choose-engine.ts'
import { findIpvs } from '../runtime/ipvs.ts'
import { nodeNameOf, readNodeContext } from '../runtime/node-context.ts'
import { readVipFacts } from '../runtime/vips.ts'
import { VipPlanner } from '../vip/claims.ts'
import { createIpRoute } from '../vip/iproute.ts'
import { planVips, type VipMode } from '../vip/vip-mode.ts'
import { checkFiles } from './check.ts'
import { type CommandContext, EXIT, refuseUsage } from './command-context.ts'
import { type Diagnosis, type DoctorFacts, diagnose, type ObjectFacts } from './doctor-checks.ts'
import { readConfiguration } from './read-configuration.ts'

/** A `doctor` command line. */
export interface DoctorArguments {
  readonly json: boolean
  /** Answer one question only, by the exit code. */
  readonly ipvs: boolean
  readonly flags: GivenValues
}

/** Says what this machine has of what portald needs. Binds sockets for a moment, and changes nothing. */
export async function doctor(
  { json, ipvs, flags }: DoctorArguments,
  context: CommandContext,
  kernel: KernelFiles = kernelFiles(),
): Promise<number> {
  if (ipvs) return answerIpvs(json, kernel, context)
  const problems: Problem[] = []
  const config = await readConfiguration({ command: 'doctor', flags, variables: context.variables }, problems)
  if (!config) return refuseUsage('doctor', problems, context)
  for (const warning of problems) context.output.err(showProblem(warning))
  const checks = diagnose(await readFacts(config, kernel))
  const good = checks.every(({ status }) => status !== 'fail')
  context.output.out(json ? JSON.stringify({ ok: good, checks }, undefined, 2) : checks.map(showDiagnosis).join('\n'))
  return good ? EXIT.done : EXIT.problem
}

function answerIpvs(json: boolean, kernel: KernelFiles, { output }: CommandContext): number {
  const { works, looked } = findIpvs(kernel)
  if (json) output.out(JSON.stringify({ works, looked }, undefined, 2))
  else {
    const lines = looked.map(({ place, found }) => `  ${place}: ${found}`)
    output.out([`IPVS ${works ? 'works here' : 'does not work here'}`, ...lines].join('\n'))
  }
  return works ? EXIT.done : EXIT.problem
}

/** `warn  engine        node: …`, and what to do on a line of its own. */
function showDiagnosis({ name, status, found, fix }: Diagnosis): string {
  const line = `${status.padEnd(4)}  ${name.padEnd(12)}  ${found}`
  return fix === '' ? line : `${line}\n${' '.repeat(20)}${fix}`
}

async function readFacts(config: Configuration, kernel: KernelFiles): Promise<DoctorFacts> {
  const engine = plannedEngine(config)
  const vips = await plannedVips(config, engine, kernel)
  const { nodePortAddresses } = readNodeContext({ ...config, name: nodeNameOf(config) })
  return {
    nodeVersion: process.versions.node,
    engine,
    vips,
    engineWanted: config.engine,
    descriptors: descriptorsForSessions(descriptorLimit(kernel)),
    firstFreePort: readNumber(kernel, '/proc/sys/net/ipv4/ip_unprivileged_port_start'),
    capabilities: readCapabilities(kernel),
    nodeAddresses: nodePortAddresses,
    objects: config.files.length > 0 ? await readObjects(config, 'mode' in vips ? vips.mode : 'present') : undefined,
    inotify: readInotify(kernel),
    sctp: /^SCTP/m.test(kernel.text('/proc/net/protocols') ?? ''),
    clockSource: kernel.text('/sys/devices/system/clocksource/clocksource0/current_clocksource')?.trim(),
    wallMs: systemClock.wall(),
    ipvs: findIpvs(kernel),
  }
}

function plannedEngine({ engine, workers }: Configuration): DoctorFacts['engine'] {
  try {
    return planEngine(engine, workers)
  } catch (error) {
    if (error instanceof ProxyError && error.code === 'E_ENGINE') return { failed: error.message }
    throw error
  }
}

async function plannedVips(
  { vipMode }: Configuration,
  engine: DoctorFacts['engine'],
  kernel: KernelFiles,
): Promise<DoctorFacts['vips']> {
  const privileges = parsePrivileges(kernel.text('/proc/self/status') ?? '')
  const facts = await readVipFacts('name' in engine ? engine.name : 'node', createIpRoute(), privileges)
  try {
    return planVips(vipMode, facts)
  } catch (error) {
    if (error instanceof ProxyError && error.code === 'E_VIP_MODE') return { failed: error.message }
    throw error
  }
}

async function readObjects(config: Configuration, mode: VipMode): Promise<ObjectFacts> {
  const { problems, listeners, snapshot } = await checkFiles(config.files, config)
  const { serviceClusterIpRanges: clusterIpRanges, externalIpRanges } = config
  const { wanted } = new VipPlanner({ clusterIpRanges, externalIpRanges }).claimsOf(snapshot)
  const missing = []
  for (const ip of new Set(listeners.map(({ address }) => address.ip))) {
    // `run` would make it local, or do without.
    if (mode === 'freebind' || (mode === 'anyip' && wanted.has(ip))) continue
    if (!(await isLocalAddress(ip))) missing.push(ip)
  }
  return {
    errors: problems.filter(({ severity }) => severity === 'error').length,
    listeners: listeners.length,
    ports: listeners.map(({ address }) => address.port),
    missing,
  }
}

/** The effective ones: `CapEff` has a bit for each, in hexadecimal. */
function readCapabilities(kernel: KernelFiles): readonly number[] | undefined {
  const [, hex] = /^CapEff:\s*([0-9a-f]+)$/m.exec(kernel.text('/proc/self/status') ?? '') ?? []
  if (hex === undefined) return undefined
  const bits = BigInt(`0x${hex}`)
  return Array.from({ length: hex.length * 4 }, (_, number) => number).filter((number) => ((bits >> BigInt(number)) & 1n) === 1n)
}

function readInotify(kernel: KernelFiles): DoctorFacts['inotify'] {
  const watches = readNumber(kernel, '/proc/sys/fs/inotify/max_user_watches')
  const instances = readNumber(kernel, '/proc/sys/fs/inotify/max_user_instances')
  return watches === undefined || instances === undefined ? undefined : { watches, instances }
}

function readNumber(kernel: KernelFiles, path: string): number | undefined {
  const text = kernel.text(path)?.trim() ?? ''
  return /^\d+$/.test(text) ? Number(text) : undefined
}
