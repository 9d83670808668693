import { systemClock } from '../lib/clock.ts'
import type { GivenValues } from '../model/config.ts'
import type { Problem } from '../model/problem.ts'
import { prepareEngine } from '../runtime/choose-engine.ts'
import { openFileSource } from '../source/file-source.ts'
import { openFileParser } from '../source/parser.ts'
import { type CommandContext, refuseUsage, usageProblem } from './command-context.ts'
import { readConfiguration } from './read-configuration.ts'

/** Serves the Services of watched files until a signal ends it. */
export async function run(flags: GivenValues, context: CommandContext): Promise<number> {
  const problems: Problem[] = []
  const config = await readConfiguration({ command: 'run', flags, variables: context.variables }, problems)
  if (!config) return refuseUsage('run', problems, context)
  if (config.files.length === 0) {
    return refuseUsage('run', [usageProblem('--file', 'must be given: a file or folder of Kubernetes objects to serve')], context)
  }
  const prepared = prepareEngine(config, systemClock)
  await using parser = await openFileParser({ clock: systemClock })
  const sources = await Promise.all(
    [...new Set(config.files)].map((path) => openFileSource(path, { clock: systemClock, parser })),
  )
  // Files are read and workers start in threads of their own, while this one loads the rest.
  const [{ serve }, { createLogger }] = await Promise.all([import('./serve.ts'), import('../observe/logger.ts')])
  return await serve({ config, sources, prepared, logger: createLogger({ level: config.logLevel }) })
}
