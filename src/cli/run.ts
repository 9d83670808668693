import { systemClock } from '../lib/clock.ts'
import { type KernelFiles, kernelFiles } from '../lib/kernel-files.ts'
import { readPackageVersion } from '../lib/package-version.ts'
import { systemRandom } from '../lib/random.ts'
import { usualStateDir } from '../model/admin-address.ts'
import type { Configuration, GivenValues } from '../model/config.ts'
import type { KubeProxyFlags } from '../model/kube-proxy-config.ts'
import type { Problem } from '../model/problem.ts'
import type { Logger } from '../observe/logger.ts'
import { prepareEngine } from '../runtime/choose-engine.ts'
import { nodeNameOf } from '../runtime/node-context.ts'
import type { ClusterAccess } from '../source/cluster/cluster-source.ts'
import { openFileSource } from '../source/file-source.ts'
import { openFileParser } from '../source/parser.ts'
import type { Source } from '../source/source.ts'
import { NO_JOURNAL } from '../store/journal.ts'
import { JournaledStore } from '../store/object-store.ts'
import { type OpenedStore, openObjectStore, versionNow } from '../store/open-store.ts'
import { type CommandContext, refuseUsage, usageProblem } from './command-context.ts'
import { ownObjects } from './own-objects.ts'
import { thisProcess } from './owner.ts'
import { readConfiguration } from './read-configuration.ts'

/** A `run` command line. */
export interface RunArguments {
  readonly flags: GivenValues
  /** Flags of kube-proxy that are not ours. */
  readonly kubeProxyFlags: KubeProxyFlags
}

/** Serves the Services of watched files and of a cluster until a signal ends it. */
export async function run(given: RunArguments, context: CommandContext, kernel: KernelFiles = kernelFiles()): Promise<number> {
  const problems: Problem[] = []
  const config = await readConfiguration({ command: 'run', ...given, variables: context.variables }, problems)
  if (!config) return refuseUsage('run', problems, context)
  const wrong = checkSources(config)
  if (wrong) return refuseUsage('run', [...problems, wrong], context)
  const prepared = prepareEngine(config, systemClock)
  await using parser = await openFileParser({ clock: systemClock })
  const files = await Promise.all([...new Set(config.files)].map((path) => openFileSource(path, { clock: systemClock, parser })))
  const access = accessOf(config)
  const cluster = access ? [await openCluster(access, config)] : []
  const endAll = async (error: unknown): Promise<never> => {
    await Promise.all([...files, ...cluster, prepared].map((owned) => owned[Symbol.asyncDispose]()))
    throw error
  }
  // Files are read and workers start in threads of their own, while this one loads the rest.
  const [opened, { serve }, { createLogger }] = await Promise.all([
    openStore(config).catch(endAll),
    import('./serve.ts'),
    import('../observe/logger.ts'),
  ])
  await using store = opened.store
  const logger = createLogger({ level: config.logLevel })
  sayDamage(opened, logger)
  const sources = [...files, ...cluster, ownObjects(store)]
  const serving = { config, sources, store, prepared, logger, warnings: problems }
  if (!config.onlyWithoutIpvs) return await serve(serving)
  const { onlyWithoutIpvs } = await import('./only-without-ipvs.ts')
  return await serve({ ...serving, ...onlyWithoutIpvs({ sources, kernel, clock: systemClock, logger }) })
}

/** The objects of the admin API; in memory only for a process that has no place for them. Without the API the usual place is
 *  left to whoever has it. */
async function openStore({ admin, stateDir }: Configuration): Promise<OpenedStore> {
  const folder = stateDir ?? (admin.length > 0 ? usualStateDir(thisProcess()) : undefined)
  if (folder !== undefined) return await openObjectStore({ folder, clock: systemClock })
  return { store: new JournaledStore({ journal: NO_JOURNAL, firstVersion: versionNow(systemClock) }), damage: undefined }
}

function sayDamage({ damage }: OpenedStore, logger: Logger): void {
  if (!damage) return
  const { movedTo, reason } = damage
  const message = 'the objects of the admin API cannot be read; their file was moved aside and none is in force: import a copy'
  logger.error('store.damaged', message, { key: movedTo, reason })
}

/** What is wrong with where objects come from. */
function checkSources({ admin, files, kubeconfig, inCluster }: Configuration): Problem | undefined {
  if (kubeconfig !== undefined && inCluster) return usageProblem('--in-cluster', 'must not be given beside --kubeconfig')
  if (files.length > 0 || kubeconfig !== undefined || inCluster) return undefined
  // Without a place of its own the API is there for whoever looks at the process, not to bring it its objects.
  if (admin.some((address) => address.kind === 'tcp' || address.path !== '')) return undefined
  const words =
    'a file or folder of Kubernetes objects to serve; --kubeconfig or --in-cluster, for those of a cluster; or --admin with ' +
    'an address, to be given them there'
  return usageProblem('--file', `must be given: ${words}`)
}

function accessOf({ kubeconfig, inCluster }: Configuration): ClusterAccess | undefined {
  if (kubeconfig !== undefined) return { kind: 'kubeconfig', path: kubeconfig }
  return inCluster ? { kind: 'in-cluster' } : undefined
}

async function openCluster(access: ClusterAccess, config: Configuration): Promise<Source> {
  const { openClusterSource } = await import('../source/cluster/cluster-source.ts')
  const { namespace, labelSelector = '', serviceProxyName: proxyName } = config
  const scope = { namespace, labelSelector, nodeName: nodeNameOf(config), proxyName }
  const settings = { access, scope, userAgent: `portald/${readPackageVersion()}`, copy: config.clusterCopy }
  return openClusterSource(settings, { clock: systemClock, random: systemRandom })
}
