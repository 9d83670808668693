import { readFile } from 'node:fs/promises'
import { messageOf } from '../lib/errors.ts'
import { type Configuration, type ConfigurationInputs, type GivenValues, parseConfiguration } from '../model/config.ts'
import type { ConfigurationFile } from '../model/config-given.ts'
import { type OptionCommand, variableOf } from '../model/config-table.ts'
import type { KubeProxyFlags } from '../model/kube-proxy-config.ts'
import type { Problem } from '../model/problem.ts'

/** Where a command's options may come from. */
export interface ConfigurationSources {
  readonly command: OptionCommand
  readonly flags: GivenValues
  readonly kubeProxyFlags?: KubeProxyFlags
  readonly variables: Readonly<Record<string, string | undefined>>
  /** Told of every option which input counts for it. */
  readonly onRead?: NonNullable<ConfigurationInputs['onRead']>
}

/** Reads flags, variables and the file that they name into one configuration; undefined when something is wrong. Warnings
 *  are problems, too. */
export async function readConfiguration(sources: ConfigurationSources, problems: Problem[]): Promise<Configuration | undefined> {
  const path = sources.flags.config?.at(-1) || sources.variables[variableOf('config')]
  const before = problems.length
  const file = path ? await readConfigurationFile(path, problems) : undefined
  const configuration = parseConfiguration({ ...sources, file }, problems)
  return problems.slice(before).some(({ severity }) => severity === 'error') ? undefined : configuration
}

async function readConfigurationFile(path: string, problems: Problem[]): Promise<ConfigurationFile | undefined> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    return void problems.push(fileProblem(path, `cannot be read: ${messageOf(error)}`))
  }
  // Loaded here: most processes have no such file.
  const { parseYaml } = await import('../source/yaml-text.ts')
  const { readKeyLines } = await import('./key-lines.ts')
  const parsed = parseYaml(text)
  if ('code' in parsed) {
    return void problems.push(fileProblem(parsed.line > 0 ? `${path}:${parsed.line}` : path, parsed.message))
  }
  if (parsed.roots.length !== 1) return void problems.push(fileProblem(path, 'must hold one YAML document'))
  return { place: path, value: parsed.roots[0]?.value, lines: readKeyLines(text) }
}

function fileProblem(place: string, message: string): Problem {
  return { severity: 'error', code: 'config-file', place, object: '', field: '', value: '', message }
}
