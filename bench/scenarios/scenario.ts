import { assertFree, type Lab, pause, type ReadyProbe, untilForwards } from '../lab.ts'
import { sampleCores, sampleCpu } from '../proc.ts'
import type { Address, OpenSubject, Subject, SubjectPlan } from '../subjects/subject.ts'

export interface Metric {
  readonly key: string
  /** With its unit, as the head of a column. */
  readonly title: string
}

/** What one trial gave: values by metric key, and what a reader must know about it. */
export interface Trial {
  readonly values: Readonly<Record<string, number>>
  readonly remarks: readonly string[]
}

export interface Settings {
  readonly seconds: number
  readonly warmupSeconds: number
  /** Requests a second for the scenarios with a fixed rate; undefined: found by measuring. */
  readonly rate: number | undefined
}

export interface Competitor {
  readonly subject: Subject
  /** Its port, which no other subject of the run has. */
  readonly port: number
}

export interface OpenScenario extends AsyncDisposable {
  /** What was found or chosen when it was opened: endpoint, rate. */
  readonly setting: string
  /** One fresh process of the subject, warmed up, measured, verified. Rejects if the work did not go through. */
  trial(competitor: Competitor): Promise<Trial>
}

export interface Scenario {
  readonly name: string
  readonly title: string
  readonly protocol: 'tcp' | 'udp'
  readonly workers: number
  /** The first is the headline, lower is better. */
  readonly metrics: readonly Metric[]
  /** The peers the ratio is to: the best of those that ran. */
  readonly peers: readonly string[]
  /** Why it cannot be measured here. */
  unavailable(lab: Lab): string | undefined
  /** Why this subject has no place in it. */
  unsuitable?(subject: Subject): string | undefined
  /** Opens the endpoints, which stay for all rounds. `competitors` are those that will run. */
  open(lab: Lab, settings: Settings, competitors: readonly Competitor[]): Promise<OpenScenario>
}

/** A trial that cannot be counted. */
export class TrialFailure extends Error {
  override readonly name = 'TrialFailure'
}

/** Opens the subject, waits until it forwards on every listener that is probed, runs the body, ends the subject. */
export async function withSubject<T>(
  lab: Lab,
  { subject }: Competitor,
  plan: Omit<SubjectPlan, 'cores'>,
  probes: readonly ReadyProbe[],
  body: (open: OpenSubject, addresses: readonly Address[]) => Promise<T>,
): Promise<T> {
  for (const { protocol, local } of plan.listeners.slice(0, 4)) await assertFree(protocol, local)
  await using open = await subject.open(lab, { ...plan, cores: lab.cores(plan.workers).proxyPin })
  for (const [index, probe] of probes.entries()) {
    const address = open.addresses[index]
    if (address !== undefined) await untilForwards(open, address, probe)
  }
  const result = await body(open, open.addresses)
  const gone = open.gone()
  if (gone !== undefined) throw new TrialFailure(gone)
  return result
}

export interface CpuUse {
  readonly cpuNs: number
  /** Of the time the load ran. */
  readonly values: Readonly<Record<'corePercent' | 'userPercent' | 'othersPercent' | 'stolenPercent', number>>
}

/** What still runs when the load has ended, such as closing sessions, belongs to the window. */
const SETTLE_MS = 60

/** CPU time of the subject between just before and just after the work; undefined for a subject without a process. */
export async function measureCpu<T>(
  cores: readonly number[],
  open: OpenSubject,
  work: () => Promise<T>,
): Promise<{ readonly result: T; readonly cpu: CpuUse | undefined }> {
  await pause(SETTLE_MS)
  const startMs = performance.now()
  const coresBefore = sampleCores(cores)
  const before = sampleCpu(open.pids())
  const result = await work()
  const windowNs = (performance.now() - startMs) * 1e6
  await pause(SETTLE_MS)
  const after = sampleCpu(open.pids())
  const coresAfter = sampleCores(cores)
  if (open.pids().length === 0) return { result, cpu: undefined }
  const cpuNs = after.cpuNs - before.cpuNs
  const ticksNs = after.userNs + after.systemNs - before.userNs - before.systemNs
  const others = coresAfter.busyNs - coresBefore.busyNs - cpuNs
  return {
    result,
    cpu: {
      cpuNs,
      values: {
        corePercent: (100 * cpuNs) / windowNs,
        userPercent: ticksNs === 0 ? 0 : (100 * (after.userNs - before.userNs)) / ticksNs,
        othersPercent: Math.max(0, (100 * others) / windowNs),
        stolenPercent: (100 * (coresAfter.stolenNs - coresBefore.stolenNs)) / windowNs,
      },
    },
  }
}

/** CPU time per unit in the given scale, with everything else that was sampled. */
export function cpuValues(cpu: CpuUse | undefined, units: number, nsPerScale: number): Record<string, number> {
  return cpu === undefined ? {} : { cpu: cpu.cpuNs / nsPerScale / units, ...cpu.values }
}

/** A few errors are a remark, many make the trial worthless. */
export function judgeErrors(what: string, errors: number, total: number, tolerated = 0.001): string[] {
  if (errors === 0) return []
  const text = `${errors} of ${total} ${what}`
  if (errors > total * tolerated) throw new TrialFailure(text)
  return [text]
}

export const NS_PER_US = 1e3
export const NS_PER_SECOND = 1e9
export const BYTES_PER_GB = 1e9
