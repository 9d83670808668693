import { readFileSync } from 'node:fs'
import { messageOf, ProxyError } from '../../lib/errors.ts'
import type { SessionPage } from '../../model/session-view.ts'
import type { Status } from '../../model/status.ts'
import type { ClientCommand, ClientInvocation, ClientOptions } from '../client-arguments.ts'
import { type CommandContext, EXIT, refuseUsage, usageProblem } from '../command-context.ts'
import { type AdminQuery, createAdminClient } from './admin-client.ts'
import type { Asking } from './asking.ts'
import { showDocument } from './documents.ts'
import { drain, undrain } from './drain-command.ts'
import { showExplanation } from './explanation-view.ts'
import { importObjects } from './import-command.ts'
import { showSessions } from './sessions-view.ts'
import { showServices, showStatus } from './status-view.ts'
import { top } from './top-command.ts'
import { trace } from './trace-command.ts'
import { watchSessions } from './watch.ts'

type Run = (asking: Asking) => Promise<number>

const COMMANDS: { readonly [Name in ClientCommand]: Run } = {
  status,
  sessions,
  kill,
  drain,
  undrain,
  explain,
  'log-level': logLevel,
  top,
  trace,
  export: exportObjects,
  import: importObjects,
}

/** Does what such a command line asks for; resolves with the exit code. */
export async function runClient({ name, words, options }: ClientInvocation, context: CommandContext): Promise<number> {
  const owner = { uid: process.getuid?.() ?? 0, variables: context.variables }
  // Several addresses may be given to portald in one variable; the first of them will do.
  const [address] = (options.admin || context.variables['PORTALD_ADMIN'] || '').split(',')
  const caPath = options.adminCa || context.variables['PORTALD_ADMIN_CA']
  const ca = caPath ? readAuthority(caPath) : undefined
  const client = createAdminClient(address || 'unix:', owner, { token: context.variables['PORTALD_ADMIN_TOKEN'], ca })
  return await COMMANDS[name]({ client, words, options, context })
}

function readAuthority(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw new ProxyError('E_CONFIG', 'config', `--admin-ca: ${messageOf(error)}: must be a file with a certificate`, error)
  }
}

async function status({ client, words: [service], options, context: { output } }: Asking): Promise<number> {
  const found = await client.get<Status>('/portald/v1/status', { service })
  const { output: format } = options
  if (service !== undefined && found.services.length === 0 && found.listeners.length === 0) {
    output.err(`${service}: there is no such Service; "portald status" shows those that there are`)
    return EXIT.problem
  }
  const width = output.width
  if (format === 'json' || format === 'yaml') output.out(showDocument(found, format))
  else output.out(service === undefined ? showStatus(found, { width, wide: format === 'wide' }) : showServices(found, width))
  return EXIT.done
}

async function exportObjects({ client, options, context: { output } }: Asking): Promise<number> {
  const objects = await client.get<object>('/portald/v1/objects')
  output.out(showDocument(objects, options.output === 'json' ? 'json' : 'yaml'))
  return EXIT.done
}

async function sessions(asking: Asking): Promise<number> {
  const { client, options, context } = asking
  const query = filtersOf(options)
  if (options.watch) return await watchSessions(client, query, context.output)
  const page = await client.get<SessionPage>('/portald/v1/sessions', query)
  const { output: format } = options
  context.output.out(
    format === 'json' || format === 'yaml' ? showDocument(page, format) : showSessions(page, context.output.width),
  )
  return EXIT.done
}

async function kill({ client, words, options, context }: Asking): Promise<number> {
  const query = { ...filtersOf(options), id: words }
  if (Object.values(query).every((value) => value === undefined || value.length === 0)) {
    return refuseUsage(
      'kill',
      [usageProblem('SESSION', 'must be given: numbers of sessions, or a filter such as --endpoint')],
      context,
    )
  }
  const { killed } = await client.send<{ killed: number }>('DELETE', '/portald/v1/sessions', query)
  context.output.out(`ended ${killed} ${killed === 1 ? 'session' : 'sessions'}`)
  return killed > 0 ? EXIT.done : EXIT.problem
}

async function explain({ client, words: [from, destination], options, context: { output } }: Asking): Promise<number> {
  const explanation = await client.get<Parameters<typeof showExplanation>[0]>('/portald/v1/explain', {
    client: from,
    destination,
  })
  const { output: format } = options
  output.out(
    format === 'json' || format === 'yaml' ? showDocument(explanation, format) : showExplanation(explanation, output.width),
  )
  return explanation.outcome.do === 'forward' ? EXIT.done : EXIT.problem
}

async function logLevel({ client, words: [level], context: { output } }: Asking): Promise<number> {
  const path = '/portald/v1/log-level'
  if (level === undefined) output.out((await client.get<{ level: string }>(path)).level)
  else {
    const { before } = await client.send<{ before: string }>('PUT', path, { level })
    output.out(`${level} (was ${before})`)
  }
  return EXIT.done
}

function filtersOf({ service, endpoint, client, olderThan, idleLongerThan, bytesOver, limit }: ClientOptions): AdminQuery {
  return { service, endpoint, client, olderThan, idleLongerThan, bytesOver, limit }
}
