import type { Lab } from './lab.ts'
import type { Competitor, Metric, OpenScenario, Scenario, Settings, Trial } from './scenarios/scenario.ts'
import type { Series } from './statistics.ts'

export interface Failure {
  readonly round: number
  readonly message: string
}

export interface SubjectResult {
  readonly name: string
  /** Why it took no part. */
  readonly absent?: string
  /** By metric key, one value a round; undefined where the round failed. */
  readonly series: Readonly<Record<string, Series>>
  readonly failures: readonly Failure[]
  readonly remarks: readonly Failure[]
}

export interface ScenarioResult {
  readonly name: string
  readonly title: string
  readonly setting: string
  /** Why it was not measured. */
  readonly absent?: string
  readonly metrics: readonly Metric[]
  readonly peers: readonly string[]
  readonly subjects: readonly SubjectResult[]
}

export interface MatrixOptions {
  readonly lab: Lab
  readonly settings: Settings
  readonly rounds: number
  readonly reverseOddRounds: boolean
  /** Why a subject cannot run on this machine, by name. */
  readonly absent: ReadonlyMap<string, string>
  readonly progress: (line: string) => void
}

/** Who runs when: every subject once a round, so that a drift of the machine meets them all. */
export function orderOfRound<T>(items: readonly T[], round: number, reverseOddRounds: boolean): T[] {
  return reverseOddRounds && round % 2 === 1 ? items.toReversed() : [...items]
}

function collect(name: string, trials: readonly (Trial | Error)[]): SubjectResult {
  const keys = new Set(trials.flatMap((trial) => (trial instanceof Error ? [] : Object.keys(trial.values))))
  const series: Record<string, Series> = {}
  for (const key of keys) series[key] = trials.map((trial) => (trial instanceof Error ? undefined : trial.values[key]))
  const failures: Failure[] = []
  const remarks: Failure[] = []
  for (const [index, trial] of trials.entries()) {
    if (trial instanceof Error) failures.push({ round: index + 1, message: trial.message })
    else remarks.push(...trial.remarks.map((message) => ({ round: index + 1, message })))
  }
  return { name, series, failures, remarks }
}

function headline({ metrics: [metric] }: Scenario, trial: Trial | Error): string {
  if (trial instanceof Error) return `FAILED: ${trial.message}`
  const value = metric && trial.values[metric.key]
  return value === undefined ? 'done' : `${value.toPrecision(3)} ${metric?.title}`
}

async function runTrial(open: OpenScenario, competitor: Competitor): Promise<Trial | Error> {
  try {
    return await open.trial(competitor)
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error))
  }
}

/** All rounds of one scenario over all subjects that can take part. */
export async function runScenario(
  scenario: Scenario,
  all: readonly Competitor[],
  options: MatrixOptions,
): Promise<ScenarioResult> {
  const { lab, settings, rounds, progress } = options
  const { name, title, metrics, peers } = scenario
  const absent = scenario.unavailable(lab)
  if (absent !== undefined) {
    progress(`${name}: ${absent}`)
    return { name, title, metrics, peers, setting: '', absent, subjects: [] }
  }
  const suitable = all.filter(({ subject }) => subject.protocols.has(scenario.protocol))
  const reasons = new Map<string, string>()
  for (const { subject } of suitable) {
    const reason = options.absent.get(subject.name) ?? scenario.unsuitable?.(subject)
    if (reason !== undefined) reasons.set(subject.name, reason)
  }
  const competitors = suitable.filter(({ subject }) => !reasons.has(subject.name))
  const trials = new Map<string, (Trial | Error)[]>(competitors.map(({ subject }) => [subject.name, []]))
  await using open = await scenario.open(lab, settings, competitors)
  progress(`${name}: ${open.setting}`)
  for (let round = 0; round < rounds; round++) {
    for (const competitor of orderOfRound(competitors, round, options.reverseOddRounds)) {
      const trial = await runTrial(open, competitor)
      trials.get(competitor.subject.name)?.push(trial)
      progress(`  ${round + 1}/${rounds} ${competitor.subject.name.padEnd(14)} ${headline(scenario, trial)}`)
    }
  }
  const subjects = suitable.map(({ subject }) => {
    const reason = reasons.get(subject.name)
    const result = collect(subject.name, trials.get(subject.name) ?? [])
    return reason === undefined ? result : { ...result, absent: reason }
  })
  return { name, title, metrics, peers, setting: open.setting, subjects }
}
