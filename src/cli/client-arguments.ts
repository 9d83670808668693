import { type Command, Option } from 'commander'
import { LOG_LEVELS } from '../model/log-level.ts'
import { HELP } from './help.ts'

/** Commands that ask a running portald. */
export type ClientCommand =
  | 'status'
  | 'sessions'
  | 'kill'
  | 'drain'
  | 'undrain'
  | 'explain'
  | 'log-level'
  | 'top'
  | 'trace'
  | 'export'
  | 'import'

/** A command line of one of them; `options` by their names in camelCase, as they were written. */
export interface ClientInvocation {
  readonly command: 'client'
  readonly name: ClientCommand
  readonly words: readonly string[]
  readonly options: ClientOptions
}

export interface ClientOptions {
  /** Where portald answers; undefined: where it usually does. */
  readonly admin?: string
  readonly adminCa?: string
  readonly output?: string
  readonly service?: string
  readonly endpoint?: string
  readonly client?: string
  readonly olderThan?: string
  readonly idleLongerThan?: string
  readonly bytesOver?: string
  readonly limit?: string
  readonly watch?: boolean
  readonly wait?: boolean
  readonly deadline?: string
  readonly once?: boolean
  readonly interval?: string
  readonly endpoints?: boolean
  readonly filter?: string
}

/** Adds them to the program; `onChosen` is told which one was chosen. */
export function addClientCommands(program: Command, onChosen: (invocation: ClientInvocation) => void): void {
  const add = (name: ClientCommand): Command => {
    const command = program
      .command(name)
      .description(HELP[name].description)
      .addHelpText('after', HELP[name].examples)
      .showHelpAfterError(`run "portald ${name} --help" for what it takes`)
    command.option(
      '--admin <ADDR>',
      'Where portald answers: unix:PATH, IP:PORT or https://NAME:PORT; PORTALD_ADMIN when left out',
    )
    command.option('--admin-ca <FILE>', 'Certificate of the authority to trust for it; PORTALD_ADMIN_CA when left out')
    return command.action(() => onChosen({ command: 'client', name, words: command.args, options: command.opts() }))
  }
  add('status')
    .argument('[SERVICE]', 'only this one, with its endpoints: default/web or default/web:http')
    .addOption(output('text', 'wide', 'json', 'yaml'))
  add('top')
    .option('--once', 'Print one table of the time between two looks, and end')
    .option('--interval <DURATION>', 'How long between two looks, 1s when left out')
    .option('--endpoints', 'A line an endpoint instead of a line a Service port')
    .option('--filter <TEXT>', 'Only lines with this in them')
  withFilters(add('sessions'))
    .option('--limit <N>', 'How many at most, 1000 when left out')
    .option('--watch', 'Show them again every second until interrupted')
    .addOption(output('text', 'json', 'yaml'))
  withFilters(add('kill')).argument('[SESSION...]', 'numbers of sessions')
  for (const name of ['drain', 'undrain'] as const) {
    const command = add(name)
      .argument('<TARGET>', 'an endpoint (10.1.2.3 or 10.1.2.3:8080), a Service (default/web), or the name of a node')
      .option('--service <SERVICE>', 'Only as an endpoint of this Service')
    if (name === 'undrain') continue
    command
      .option('--wait', 'Wait until the last session has ended')
      .option('--deadline <DURATION>', 'Wait so long, then end what still runs')
  }
  add('explain')
    .argument('<CLIENT>', 'the address of a client')
    .argument('<DESTINATION>', 'where it connects to: 10.96.0.10:80 or udp://10.96.0.10:53')
    .addOption(output('text', 'json', 'yaml'))
  add('trace')
    .argument('<SERVICE>', 'whose new sessions: default/web or default/web:http')
    .option('--client <CIDR>', 'Only of clients with this address, or in this range')
    .addOption(output('text', 'json'))
  add('import').argument('<PATH...>', 'files and folders of objects, YAML or JSON')
  add('export').addOption(new Option('-o, --output <FORMAT>', 'How to print them').choices(['yaml', 'json']).default('yaml'))
  add('log-level').argument('[LEVEL]', `${LOG_LEVELS.join(', ')}; says which one it is when left out`)
}

function withFilters(command: Command): Command {
  return command
    .option('--service <SERVICE>', 'Of this Service: default/web or default/web:http')
    .option('--endpoint <ADDRESS>', 'On this endpoint: 10.1.2.3 or 10.1.2.3:8080')
    .option('--client <CIDR>', 'Of clients with this address, or in this range')
    .option('--older-than <DURATION>', 'That began longer ago')
    .option('--idle-longer-than <DURATION>', 'On which nothing moved for longer')
    .option('--bytes-over <N>', 'That moved more, both ways together: 4096, 10M or 1Gi')
}

function output(...formats: readonly string[]): Option {
  return new Option('-o, --output <FORMAT>', 'How to print it').choices(formats).default('text')
}
