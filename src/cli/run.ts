import { systemClock } from '../lib/clock.ts'
import type { GivenValues } from '../model/config.ts'
import type { Problem } from '../model/problem.ts'
import { createLogger } from '../observe/logger.ts'
import { openFileSource } from '../source/file-source.ts'
import { openFileParser } from '../source/parser.ts'
import { type CommandContext, refuseUsage, usageProblem } from './command-context.ts'
import { readConfiguration } from './read-configuration.ts'
import { serve } from './serve.ts'

/** Serves the Services of watched files until a signal ends it. */
export async function run(flags: GivenValues, context: CommandContext): Promise<number> {
  const problems: Problem[] = []
  const config = await readConfiguration({ command: 'run', flags, variables: context.variables }, problems)
  if (!config) return refuseUsage('run', problems, context)
  if (config.files.length === 0) {
    return refuseUsage('run', [usageProblem('--file', 'must be given: a file or folder of Kubernetes objects to serve')], context)
  }
  const logger = createLogger({ level: config.logLevel })
  await using parser = await openFileParser({ clock: systemClock })
  const openSources = () =>
    Promise.all([...new Set(config.files)].map((path) => openFileSource(path, { clock: systemClock, parser })))
  return await serve({ config, openSources, logger })
}
