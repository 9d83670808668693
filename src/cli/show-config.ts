import { givenTexts } from '../model/config.ts'
import type { Given } from '../model/config-given.ts'
import { configOption, flagOf, isList, OPTION_KEYS, type OptionKey } from '../model/config-table.ts'
import { type Problem, showProblem } from '../model/problem.ts'
import { type CommandContext, EXIT, refuseUsage } from './command-context.ts'
import { readConfiguration } from './read-configuration.ts'
import type { RunArguments } from './run.ts'

/** Where what stands behind a value says where it comes from, if the line is that short. */
const COMMENT_COLUMN = 44

/** Prints what `run` would go by, as a file that means the same, each option with where it comes from. */
export async function showConfig({ flags, kubeProxyFlags }: RunArguments, context: CommandContext): Promise<number> {
  const problems: Problem[] = []
  const read = new Map<OptionKey, Given>()
  const onRead = (key: OptionKey, given: Given) => void read.set(key, given)
  const sources = { command: 'run', flags, kubeProxyFlags, variables: context.variables, onRead } as const
  if (!(await readConfiguration(sources, problems))) return refuseUsage('config', problems, context)
  for (const warning of problems) context.output.err(showProblem(warning))
  const lines = OPTION_KEYS.filter((key) => read.has(key)).map((key) => showOption(key, read.get(key) as Given))
  context.output.out(['apiVersion: portald.io/v1alpha1', 'kind: Configuration', ...lines].join('\n'))
  return EXIT.done
}

function showOption(key: OptionKey, given: Given): string {
  const texts = givenTexts(key, given)
  const value = isList(configOption(key).kind) ? `[${texts.map(quoted).join(', ')}]` : quoted(texts[0] ?? '')
  // A text that is empty by default is as good as not there, and not every option takes one in a file.
  const line = `${given.place === '' && texts.length === 0 ? '# ' : ''}${key}: ${value}`
  return `${line.padEnd(COMMENT_COLUMN)} # ${given.place === '' ? `default; --${flagOf(key)}` : given.place}`
}

/** As YAML reads it back: as text, and not as a number, a date, or nothing. */
function quoted(text: string): string {
  return /^[A-Za-z/][A-Za-z0-9/._-]*$/.test(text) && text.toLowerCase() !== 'null' ? text : JSON.stringify(text)
}
