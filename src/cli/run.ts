import { systemClock } from '../lib/clock.ts'
import { type KernelFiles, kernelFiles } from '../lib/kernel-files.ts'
import type { GivenValues } from '../model/config.ts'
import type { KubeProxyFlags } from '../model/kube-proxy-config.ts'
import type { Problem } from '../model/problem.ts'
import { prepareEngine } from '../runtime/choose-engine.ts'
import { openFileSource } from '../source/file-source.ts'
import { openFileParser } from '../source/parser.ts'
import { type CommandContext, refuseUsage, usageProblem } from './command-context.ts'
import { readConfiguration } from './read-configuration.ts'

/** A `run` command line. */
export interface RunArguments {
  readonly flags: GivenValues
  /** Flags of kube-proxy that are not ours. */
  readonly kubeProxyFlags: KubeProxyFlags
}

/** Serves the Services of watched files until a signal ends it. */
export async function run(given: RunArguments, context: CommandContext, kernel: KernelFiles = kernelFiles()): Promise<number> {
  const problems: Problem[] = []
  const config = await readConfiguration({ command: 'run', ...given, variables: context.variables }, problems)
  if (!config) return refuseUsage('run', problems, context)
  if (config.files.length === 0) {
    const missing = usageProblem('--file', 'must be given: a file or folder of Kubernetes objects to serve')
    return refuseUsage('run', [...problems, missing], context)
  }
  const prepared = prepareEngine(config, systemClock)
  await using parser = await openFileParser({ clock: systemClock })
  const sources = await Promise.all(
    [...new Set(config.files)].map((path) => openFileSource(path, { clock: systemClock, parser })),
  )
  // Files are read and workers start in threads of their own, while this one loads the rest.
  const [{ serve }, { createLogger }] = await Promise.all([import('./serve.ts'), import('../observe/logger.ts')])
  const logger = createLogger({ level: config.logLevel })
  const serving = { config, sources, prepared, logger, warnings: problems }
  if (!config.onlyWithoutIpvs) return await serve(serving)
  const { onlyWithoutIpvs } = await import('./only-without-ipvs.ts')
  return await serve({ ...serving, ...onlyWithoutIpvs({ sources, kernel, clock: systemClock, logger }) })
}
