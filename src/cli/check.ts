import type { Configuration, GivenValues } from '../model/config.ts'
import { showAddress } from '../model/keys.ts'
import { createObjectParser } from '../model/parse-objects.ts'
import { parseOptionsOf } from '../model/parse-options.ts'
import { type Problem, showProblem } from '../model/problem.ts'
import type { HealthCheck, Route, Snapshot } from '../model/snapshot.ts'
import { nodeNameOf, readNodeContext } from '../runtime/node-context.ts'
import { compile } from '../snapshot/compile.ts'
import { type CommandContext, EXIT, refuseUsage, usageProblem } from './command-context.ts'
import { readConfiguration } from './read-configuration.ts'
import { readFiles } from './read-files.ts'

/** A `check` command line. */
export interface CheckArguments {
  readonly paths: readonly string[]
  readonly format: 'text' | 'json'
  readonly flags: GivenValues
}

/** What files of objects come to. */
export interface CheckResult {
  readonly problems: readonly Problem[]
  readonly listeners: readonly Route[]
  readonly healthChecks: readonly HealthCheck[]
  /** Things worth saying that are not wrong. */
  readonly notes: readonly string[]
  readonly snapshot: Snapshot
}

/** Says what is wrong with files of objects, and what `run` would listen on; opens no socket. */
export async function check({ paths, format, flags }: CheckArguments, context: CommandContext): Promise<number> {
  const problems: Problem[] = []
  const configuration = await readConfiguration({ command: 'check', flags, variables: context.variables }, problems)
  if (!configuration) return refuseUsage('check', problems, context)
  const files = paths.length > 0 ? paths : configuration.files
  if (files.length === 0) return refuseUsage('check', [usageProblem('PATH', 'must be given: a file or folder to check')], context)
  for (const warning of problems) context.output.err(showProblem(warning))
  const result = await checkFiles(files, configuration)
  if (format === 'json') context.output.out(showJson(result))
  else showText(result, context)
  return result.problems.some((problem) => problem.severity === 'error') ? EXIT.problem : EXIT.done
}

/** Reads files of objects once, as `run` would, and says what they come to. */
export async function checkFiles(files: readonly string[], configuration: Configuration): Promise<CheckResult> {
  const { serviceNodePortRange: nodePortRange, serviceClusterIpRange: clusterIpRange } = configuration
  const node = readNodeContext({ ...configuration, name: nodeNameOf(configuration) })
  const found = await readFiles(files)
  const objects = createObjectParser(parseOptionsOf(configuration)).parse(found.objects)
  const snapshot = compile(objects, node, { nodePortRange, clusterIpRange, transparentSource: true }, undefined)
  return {
    problems: [...found.problems, ...snapshot.problems].toSorted(byPlace),
    listeners: [...snapshot.routes.values()],
    healthChecks: [...snapshot.healthChecks.values()],
    notes: objects.notes,
    snapshot,
  }
}

/** By file, then by line. */
function byPlace(a: Problem, b: Problem): number {
  const [fileA, lineA] = splitPlace(a.place)
  const [fileB, lineB] = splitPlace(b.place)
  return fileA === fileB ? lineA - lineB : fileA < fileB ? -1 : 1
}

function splitPlace(place: string): [file: string, line: number] {
  const [, file = place, line = '0'] = /^(.*):(\d+)$/.exec(place) ?? []
  return [file, Number(line)]
}

function showText({ problems, listeners, healthChecks, notes }: CheckResult, { output }: CommandContext): void {
  for (const note of notes) output.err(note)
  for (const problem of problems) output.out(showProblem(problem))
  for (const { address, kind, service, port } of listeners) {
    output.out(`${port.protocol} ${showAddress(address)} ${kind} ${service.key}`)
  }
  for (const { address, namespace, name } of healthChecks) {
    output.out(`TCP ${showAddress(address)} healthCheckNodePort ${namespace}/${name}`)
  }
}

function showJson({ problems, listeners, healthChecks, notes }: CheckResult): string {
  const shown = {
    ok: problems.every((problem) => problem.severity !== 'error'),
    problems,
    listeners: listeners.map(({ address, kind, service, port, endpoints }) => ({
      protocol: port.protocol,
      address: showAddress(address),
      kind,
      service: service.key,
      port: port.name,
      endpoints: endpoints.map((endpoint) => showAddress(endpoint.address)),
    })),
    healthChecks: healthChecks.map(({ address, namespace, name, localEndpoints }) => ({
      address: showAddress(address),
      service: `${namespace}/${name}`,
      localEndpoints,
    })),
    notes,
  }
  return JSON.stringify(shown, undefined, 2)
}
