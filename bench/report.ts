import type { Machine } from './machine.ts'
import type { ScenarioResult, SubjectResult } from './matrix.ts'
import { median, pairedRatio, presentValues, type Series, type Spread, spreadOf } from './statistics.ts'
import { type Column, markdownTable, quantity, type Row, ratio, textTable } from './table.ts'

export interface RunResult {
  readonly date: string
  readonly machine: Machine
  readonly pinning: string
  readonly rounds: number
  readonly seconds: number
  readonly warmupSeconds: number
  /** What to call the other working tree of ours, where one was compared with. */
  readonly baseline: string | undefined
  readonly subjects: readonly { readonly name: string; readonly description: string; readonly absent?: string }[]
  readonly tools: Readonly<Record<string, string>>
  readonly scenarios: readonly ScenarioResult[]
}

const PLAIN_PIPE = 'plain-pipe'
const NOISE_PERCENT = 10

function seriesOf(scenario: ScenarioResult, subject: string | undefined, key: string | undefined): Series {
  return scenario.subjects.find(({ name }) => name === subject)?.series[key ?? ''] ?? []
}

/** The peer with the lowest headline: being ahead of the slower of two settings of one peer is no feat. */
export function bestPeer(scenario: ScenarioResult): string | undefined {
  const key = scenario.metrics[0]?.key
  let best: { readonly name: string; readonly value: number } | undefined
  for (const name of scenario.peers) {
    const value = median(presentValues(seriesOf(scenario, name, key)))
    if (value !== undefined && (best === undefined || value < best.value)) best = { name, value }
  }
  return best?.name
}

interface Reference {
  readonly title: string
  /** The subject that this one is divided by. */
  of(subject: string): string | undefined
}

function references(scenario: ScenarioResult, baseline: string | undefined): Reference[] {
  const peer = bestPeer(scenario)
  const found: Reference[] = []
  const names = new Set(scenario.subjects.filter(({ absent }) => absent === undefined).map(({ name }) => name))
  if ([...names].some((name) => names.has(`${name}@${baseline}`))) {
    found.push({ title: `÷ ${baseline}`, of: (name) => (name.includes('@') ? undefined : `${name}@${baseline}`) })
  }
  if (peer !== undefined) found.push({ title: `÷ ${peer}`, of: () => peer })
  if (names.has(PLAIN_PIPE)) {
    found.push({ title: `÷ ${PLAIN_PIPE}`, of: () => PLAIN_PIPE })
  }
  return found
}

function withRange(spread: Spread | undefined, show: (value: number) => string): string {
  if (spread === undefined) return '–'
  return spread.count === 1 ? show(spread.median) : `${show(spread.median)} (${show(spread.min)}–${show(spread.max)})`
}

function rowOf(scenario: ScenarioResult, subject: SubjectResult, ratios: readonly Reference[], wide: boolean): Row {
  const [headline, ...others] = scenario.metrics
  if (subject.absent !== undefined) return { name: subject.name, remark: subject.absent }
  if (Object.keys(subject.series).length === 0) {
    return { name: subject.name, remark: `FAILED: ${subject.failures[0]?.message ?? 'no round'}` }
  }
  const own = subject.series[headline?.key ?? ''] ?? []
  return [
    subject.name,
    withRange(spreadOf(presentValues(own)), quantity),
    ...ratios.map(({ of }) => {
      const spread = pairedRatio(own, seriesOf(scenario, of(subject.name), headline?.key))
      return wide ? withRange(spread, ratio) : ratio(spread?.median)
    }),
    ...others.map(({ key }) => quantity(median(presentValues(subject.series[key] ?? [])))),
  ]
}

/** Failures, remarks, and how quiet the machine was. */
function notesOf(scenario: ScenarioResult, rounds: number): string[] {
  const notes: string[] = []
  for (const { name, failures, remarks } of scenario.subjects) {
    for (const { round, message } of failures) notes.push(`${name}, round ${round} of ${rounds} FAILED: ${message}`)
    for (const { round, message } of remarks) notes.push(`${name}, round ${round}: ${message}`)
  }
  for (const [key, what] of [
    ['othersPercent', 'others used'],
    ['stolenPercent', 'the hypervisor took'],
  ] as const) {
    const values = scenario.subjects.flatMap(({ series }) => presentValues(series[key] ?? []))
    const noisy = values.filter((value) => value > NOISE_PERCENT)
    if (noisy.length === 0) continue
    const worst = Math.round(Math.max(...noisy))
    notes.push(
      `noise: ${what} more than ${NOISE_PERCENT} % of the proxy's core in ${noisy.length} of ${values.length} trials (up to ${worst} %)`,
    )
  }
  return notes
}

function tableOf(scenario: ScenarioResult, baseline: string | undefined, wide: boolean): { columns: Column[]; rows: Row[] } {
  const ratios = references(scenario, baseline)
  const [headline, ...others] = scenario.metrics
  const right = (title: string): Column => ({ title, align: 'right' })
  const columns: Column[] = [
    { title: 'subject', align: 'left' },
    right(headline?.title ?? ''),
    ...ratios.map(({ title }) => right(title)),
    ...others.map(({ title }) => right(title)),
  ]
  return { columns, rows: scenario.subjects.map((subject) => rowOf(scenario, subject, ratios, wide)) }
}

const WIDE_COLUMNS = 110

/** One scenario as lines for a terminal of so many columns. */
export function scenarioText(scenario: ScenarioResult, run: Pick<RunResult, 'rounds' | 'baseline'>, columns: number): string[] {
  const head = `${scenario.name}: ${scenario.title}`
  if (scenario.absent !== undefined) return [head, `  ${scenario.absent}`]
  const table = tableOf(scenario, run.baseline, columns >= WIDE_COLUMNS)
  const notes = notesOf(scenario, run.rounds).map((note) => `  ! ${note}`)
  return [head, `  ${scenario.setting}`, ...textTable(table.columns, table.rows), ...notes]
}

export function headText(run: RunResult): string[] {
  const { machine } = run
  const tools = Object.entries(run.tools).map(([name, version]) => `${name} ${version}`)
  return [
    `${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB, ${machine.kernel}, ${machine.distribution}`,
    `Node ${machine.node}, ${tools.join(', ')}; portald ${machine.commit}; at most ${machine.maxOpenFiles} open files`,
    `${run.pinning}; loopback only`,
    `${run.rounds} rounds of ${run.seconds} s after ${run.warmupSeconds} s of warm-up, subjects in turn, a fresh process each time`,
    'first figure: median (min–max) over the rounds; ÷ X: the ratio to X within a round, median (min–max)',
  ]
}

export function markdownReport(run: RunResult): string {
  const sections = run.scenarios.flatMap((scenario) => {
    const head = ['', `## ${scenario.name}`, '', `${scenario.title}. ${scenario.absent ?? scenario.setting}`]
    if (scenario.absent !== undefined) return head
    const { columns, rows } = tableOf(scenario, run.baseline, true)
    const notes = notesOf(scenario, run.rounds).map((note) => `- ${note}`)
    return [...head, '', ...markdownTable(columns, rows), ...(notes.length > 0 ? ['', ...notes] : [])]
  })
  return [
    `# Benchmark of ${run.date}`,
    '',
    ...headText(run).map((line) => `- ${line}`),
    '',
    ...run.subjects.map(({ name, description, absent }) => `- **${name}**: ${absent ?? description}`),
    ...sections,
    '',
  ].join('\n')
}
