import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { killEveryChild } from './child.ts'
import { openLab } from './lab.ts'
import { describeMachine } from './machine.ts'
import { runScenario, type ScenarioResult } from './matrix.ts'
import { type Options, parseOptions, selectNamed, USAGE, UsageError } from './options.ts'
import { headText, markdownReport, type RunResult, scenarioText } from './report.ts'
import { SCENARIOS } from './scenarios/registry.ts'
import type { Scenario } from './scenarios/scenario.ts'
import { allSubjects } from './subjects/registry.ts'
import type { Subject } from './subjects/subject.ts'
import { notInstalled, versionOf } from './tools/installed.ts'

const ROOT = resolve(import.meta.dirname, '..')
const DEFAULT_COLUMNS = 120
const EXIT_TRIAL_FAILED = 1
const EXIT_USAGE = 2

const progress = (line: string) => process.stderr.write(`${line}\n`)
const print = (lines: readonly string[]) => process.stdout.write(`${lines.join('\n')}\n\n`)

function chosenSubjects({ subjects, baseline }: Options): Subject[] {
  const all = allSubjects({ tree: ROOT, baseline: baseline && { ...baseline, tree: resolve(baseline.tree) } })
  const wanted = subjects.length === 0 && baseline !== undefined ? all.filter(({ name }) => name.startsWith('ours-')) : all
  return selectNamed('subject', subjects.length === 0 ? wanted : all, subjects)
}

function toolVersions(): Record<string, string> {
  const tools = {
    wrk: versionOf('wrk', '--version'),
    iperf3: versionOf('iperf3', '--version'),
    gcc: versionOf('gcc', '--version'),
  }
  return Object.fromEntries(Object.entries(tools).map(([name, version]) => [name, version ?? 'not installed']))
}

function writeResult(out: string, run: RunResult): void {
  const base = (out.includes('/') ? resolve(out) : join(ROOT, 'bench', 'results', out)).replace(/\.(json|md)$/, '')
  mkdirSync(dirname(base), { recursive: true })
  writeFileSync(`${base}.json`, `${JSON.stringify(run, null, 1)}\n`)
  writeFileSync(`${base}.md`, markdownReport(run))
  progress(`written: ${base}.json, ${base}.md`)
}

/** The runner itself stays off the proxy's cores. */
function moveOffProxyCores(loadPin: string | undefined): void {
  if (loadPin !== undefined) execFileSync('taskset', ['-a', '-p', '-c', loadPin, `${process.pid}`], { stdio: 'ignore' })
}

async function run(options: Options, subjects: readonly Subject[], scenarios: readonly Scenario[]): Promise<RunResult> {
  await using lab = await openLab()
  moveOffProxyCores(lab.cores(1).loadPin)
  const absent = new Map<string, string>()
  for (const subject of subjects) {
    const reason = await subject.unavailable(lab)
    if (reason !== undefined) absent.set(subject.name, reason)
    progress(`${subject.name.padEnd(14)} ${reason ?? subject.describe()}`)
  }
  if (notInstalled('taskset') !== undefined) progress(`nothing is pinned: ${notInstalled('taskset')}`)
  const competitors = subjects.map((subject, index) => ({ subject, port: lab.subjectPort(index) }))
  const results: ScenarioResult[] = []
  const result: RunResult = {
    date: new Date().toISOString().slice(0, 16).replace('T', ' '),
    machine: describeMachine(ROOT),
    pinning: lab.describePinning(),
    rounds: options.rounds,
    seconds: options.seconds,
    warmupSeconds: options.warmupSeconds,
    baseline: options.baseline?.label,
    subjects: subjects.map((subject) => {
      const reason = absent.get(subject.name)
      return { name: subject.name, description: subject.describe(), ...(reason !== undefined && { absent: reason }) }
    }),
    tools: toolVersions(),
    scenarios: results,
  }
  const { rounds, reverseOddRounds } = options
  print(headText(result))
  for (const scenario of scenarios) {
    const scenarioResult = await runScenario(scenario, competitors, {
      lab,
      settings: options,
      rounds,
      reverseOddRounds,
      absent,
      progress,
    })
    results.push(scenarioResult)
    print(scenarioText(scenarioResult, result, process.stdout.columns ?? DEFAULT_COLUMNS))
  }
  return result
}

async function listAll(subjects: readonly Subject[], scenarios: readonly Scenario[]): Promise<void> {
  await using lab = await openLab()
  const scenarioLines = scenarios.map(({ name, title, unavailable }) => `  ${name.padEnd(20)} ${unavailable(lab) ?? title}`)
  const subjectLines: string[] = []
  for (const subject of subjects)
    subjectLines.push(`  ${subject.name.padEnd(20)} ${(await subject.unavailable(lab)) ?? subject.describe()}`)
  print(['scenarios', ...scenarioLines, 'subjects', ...subjectLines])
}

async function main(): Promise<number> {
  const options = parseOptions(process.argv.slice(2))
  if (options.help) {
    process.stdout.write(USAGE)
    return 0
  }
  const scenarios = selectNamed('scenario', SCENARIOS, options.scenarios)
  const subjects = chosenSubjects(options)
  if (options.list) {
    await listAll(subjects, scenarios)
    return 0
  }
  const result = await run(options, subjects, scenarios)
  if (options.out !== undefined) writeResult(options.out, result)
  const failed = result.scenarios.some((scenario) => scenario.subjects.some(({ failures }) => failures.length > 0))
  return failed ? EXIT_TRIAL_FAILED : 0
}

process.on('exit', killEveryChild)
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(130))

try {
  process.exitCode = await main()
} catch (error) {
  if (!(error instanceof UsageError)) throw error
  process.stderr.write(`${error.message}\n`)
  process.exitCode = EXIT_USAGE
}
