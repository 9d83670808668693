import { Argument, Command, CommanderError, Option } from 'commander'
import type { GivenValues } from '../model/config.ts'
import {
  configOption,
  defaultOf,
  flagOf,
  isList,
  OPTION_KEYS,
  type OptionCommand,
  type OptionKey,
} from '../model/config-table.ts'
import { KUBE_PROXY_FLAGS, type KubeProxyFlags } from '../model/kube-proxy-config.ts'
import type { KubeProxySetting } from '../model/kube-proxy-table.ts'
import { addClientCommands, type ClientInvocation } from './client-arguments.ts'
import { type CompletedCommand, completedCommands, SHELLS, type Shell } from './completed-commands.ts'
import { HELP } from './help.ts'

/** What a command line asks for. Values are text: what they mean is read later, together with variables and file. */
export type Invocation =
  | { readonly command: 'run'; readonly flags: GivenValues; readonly kubeProxyFlags: KubeProxyFlags }
  | {
      readonly command: 'forward'
      readonly listen: string
      readonly endpoints: readonly string[]
      readonly affinity: string | undefined
      readonly flags: GivenValues
    }
  | {
      readonly command: 'check'
      readonly paths: readonly string[]
      readonly format: 'text' | 'json'
      readonly flags: GivenValues
    }
  | {
      readonly command: 'doctor'
      readonly json: boolean
      readonly ipvs: boolean
      readonly flags: GivenValues
      readonly kubeProxyFlags: KubeProxyFlags
    }
  | ClientInvocation
  | { readonly command: 'config'; readonly flags: GivenValues; readonly kubeProxyFlags: KubeProxyFlags }
  | { readonly command: 'completion'; readonly shell: Shell; readonly table: readonly CompletedCommand[] }
  | { readonly command: 'cleanup' }
  | { readonly command: 'version' }
  /** Nothing to do but to say this: help, or what is wrong with the command line. */
  | { readonly command: 'say'; readonly out: string; readonly err: string; readonly exitCode: 0 | 2 }

/** Reads a command line, without the two words in front that name the program. Flags without a command mean `run`. */
export function parseArguments(argv: readonly string[]): Invocation {
  const out: string[] = []
  const err: string[] = []
  let invocation: Invocation | undefined
  const program = new Command('portald')
    .description(HELP.program.description)
    .exitOverride()
    .configureOutput({ writeOut: (text) => out.push(text), writeErr: (text) => err.push(text) })
    .version('', '-V, --version', 'say which version this is')
    .helpCommand('help [COMMAND]', 'explain a command')
    .usage('[COMMAND] [OPTIONS]')
    .addHelpText('after', HELP.program.examples)

  const run = addCommand(program, 'run', (_, flags) => {
    invocation = runOrInstead(flags, givenKubeProxyFlags(run))
  })
  addCommand(program, 'forward', (command, flags) => {
    const [listen, ...endpoints] = command.args as [string, ...string[]]
    invocation = { command: 'forward', listen, endpoints, affinity: command.opts()['affinity'], flags }
  })
    .argument('<LISTEN>', 'tcp://IP:PORT or udp://IP:PORT to accept clients on')
    .argument('<ENDPOINT...>', 'HOST:PORT to forward to; every address of a name is used')
    .option('--affinity <client-ip[=SECONDS]>', 'Keep each client address on the endpoint it had, for 3 hours or as said')
  addCommand(program, 'check', (command, flags) => {
    invocation = { command: 'check', paths: command.args, format: command.opts()['output'], flags }
  })
    .argument('[PATH...]', 'files and folders of Kubernetes objects; those of --config when none is given')
    .addOption(new Option('-o, --output <FORMAT>', 'How to print what is found').choices(['text', 'json']).default('text'))
  addCommand(program, 'doctor', (command, flags) => {
    const { json = false, ipvs = false } = command.opts<{ json?: boolean; ipvs?: boolean }>()
    invocation = { command: 'doctor', json, ipvs, flags, kubeProxyFlags: givenKubeProxyFlags(command) }
  })
    .option('--json', 'Print one JSON document')
    .option('--ipvs', 'Only say whether IPVS works here: exit code 0 if it does, 1 if not')
  addCommand(program, 'config', (command, flags) => {
    invocation = { command: 'config', flags, kubeProxyFlags: givenKubeProxyFlags(command) }
  })
  program
    .command('completion')
    .description(HELP.completion.description)
    .addHelpText('after', HELP.completion.examples)
    .addArgument(new Argument('<SHELL>', 'which one').choices(SHELLS))
    .action((shell: Shell) => {
      invocation = { command: 'completion', shell, table: completedCommands(program) }
    })
  addClientCommands(program, (chosen) => {
    invocation = chosen
  })
  program
    .command('cleanup')
    .description(HELP.cleanup.description)
    .addHelpText('after', HELP.cleanup.examples)
    .action(() => {
      invocation = { command: 'cleanup' }
    })
  program
    .command('version')
    .description(HELP.version.description)
    .addHelpText('after', HELP.version.examples)
    .action(() => {
      invocation = { command: 'version' }
    })

  try {
    refuseUnknownCommand(program, argv)
    program.parse(argv.map(withDashes), { from: 'user' })
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    if (error.code === 'commander.version') return { command: 'version' }
    return { command: 'say', out: out.join(''), err: err.join(''), exitCode: error.exitCode === 0 ? 0 : 2 }
  }
  return invocation ?? { command: 'say', out: out.join(''), err: err.join(''), exitCode: 2 }
}

function addCommand(
  program: Command,
  name: OptionCommand | 'config',
  onChosen: (command: Command, flags: GivenValues) => void,
): Command {
  const command = program
    .command(name, { isDefault: name === 'run' })
    .description(HELP[name].description)
    .addHelpText('after', HELP[name].examples)
    .showHelpAfterError(`run "portald ${name} --help" for what it takes`)
  // It shows what `run` goes by.
  const whose = name === 'config' ? 'run' : name
  const isShown = (key: OptionKey) => configOption(key).commands.includes(whose)
  // A command line of `run` is the doctor's, too, whether or not all of it matters to it.
  const takesThoseOfRun = whose === 'run' || whose === 'doctor'
  const keys = OPTION_KEYS.filter((key) => isShown(key) || (takesThoseOfRun && configOption(key).commands.includes('run')))
  for (const key of keys) for (const option of toOptions(key, whose)) command.addOption(isShown(key) ? option : option.hideHelp())
  if (takesThoseOfRun) for (const setting of KUBE_PROXY_FLAGS) command.addOption(toHiddenOption(setting))
  return command.action(() => onChosen(command, givenValues(command, keys)))
}

/** An option of the table as commander knows it. Values pile up as text; a switch also gets its opposite, which is what
 *  overrides a variable or a file. */
function toOptions(key: OptionKey, command: OptionCommand): Option[] {
  const { kind, argument, choices, help } = configOption(key)
  const fallback = defaultOf(key, command)
  const details = [
    choices?.join(', '),
    isList(kind) ? 'repeatable' : undefined,
    fallback === '' || kind === 'boolean' ? undefined : `default ${fallback}`,
  ].filter((detail) => detail !== undefined)
  const description = details.length > 0 ? `${help} (${details.join('; ')})` : help
  if (kind === 'boolean') return [new Option(`--${flagOf(key)}`, description), new Option(`--no-${flagOf(key)}`).hideHelp()]
  return [new Option(`--${flagOf(key)} <${argument}>`, description).argParser(pileUp)]
}

function pileUp(value: string, before: readonly string[] | undefined): readonly string[] {
  return [...(before ?? []), value]
}

/** A flag of kube-proxy that is not ours, for those who bring its command line along. Go's switches may have a value. */
function toHiddenOption({ flag, rule }: KubeProxySetting): Option {
  const name = flag.length === 1 ? `-${flag}, --${flag}` : `--${flag}`
  const option = rule?.kind === 'boolean' ? new Option(`${name} [BOOL]`).preset('true') : new Option(`${name} <VALUE>`)
  // `-v=4` leaves the sign with the value.
  return option.argParser<readonly string[]>((value, before) => pileUp(value.replace(/^=/, ''), before)).hideHelp()
}

function givenKubeProxyFlags(command: Command): KubeProxyFlags {
  const given: Record<string, readonly string[]> = {}
  for (const { flag } of KUBE_PROXY_FLAGS) {
    const values = command.getOptionValue(new Option(`--${flag} <VALUE>`).attributeName())
    if (values !== undefined) given[flag] = values
  }
  return given
}

/** Two of kube-proxy's flags mean another command. */
function runOrInstead(flags: GivenValues, kubeProxyFlags: KubeProxyFlags): Invocation {
  const isOn = (flag: string) => kubeProxyFlags[flag]?.at(-1) === 'true'
  if (isOn('cleanup')) return { command: 'cleanup' }
  if (isOn('init-only'))
    return { command: 'say', out: 'nothing to set up: portald needs no other rights at its start\n', err: '', exitCode: 0 }
  return { command: 'run', flags, kubeProxyFlags }
}

/** kube-proxy takes `_` for `-` in the names of flags. */
function withDashes(word: string): string {
  const [name = ''] = word.split('=', 1)
  return name.startsWith('--') ? name.replaceAll('_', '-') + word.slice(name.length) : word
}

function givenValues(command: Command, keys: readonly OptionKey[]): GivenValues {
  const given: Partial<Record<OptionKey, readonly string[]>> = {}
  for (const key of keys) {
    const value: readonly string[] | boolean | undefined = command.getOptionValue(key)
    if (value !== undefined) given[key] = typeof value === 'boolean' ? [String(value)] : value
  }
  return given
}

/** A first word that is neither a flag nor a command would be taken for an argument of `run`, which has none. */
function refuseUnknownCommand(program: Command, [first]: readonly string[]): void {
  if (first === undefined || first.startsWith('-') || first === 'help') return
  if (program.commands.some((command) => command.name() === first)) return
  program.args = [first]
  ;(program as unknown as { unknownCommand(): never }).unknownCommand()
}
