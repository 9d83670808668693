import { openObserver } from './admin/observer.ts'
import type { EndpointOverride, EndpointWish } from './balancer/overlay.ts'
import { systemClock } from './lib/clock.ts'
import { ProxyError } from './lib/errors.ts'
import { readPackageVersion } from './lib/package-version.ts'
import { systemRandom } from './lib/random.ts'
import { parseConfiguration } from './model/config.ts'
import type { OptionKey } from './model/config-table.ts'
import type { EndpointHealth } from './model/health.ts'
import { type Problem, showProblem } from './model/problem.ts'
import { createLogger, type Logger, silentLogger } from './observe/logger.ts'
import { nodeNameOf } from './runtime/node-context.ts'
import { openProxy as openRunningProxy, type ProxyAddress } from './runtime/proxy.ts'
import { openFileSource } from './source/file-source.ts'
import { createObjectSource } from './source/object-source.ts'
import { openFileParser } from './source/parser.ts'

export type { EndpointOverride, EndpointWish } from './balancer/overlay.ts'
export { type ErrorCode, ProxyError } from './lib/errors.ts'
export type { EndpointHealth, EndpointState } from './model/health.ts'
export type { Problem } from './model/problem.ts'
export type { SessionRecord } from './model/session.ts'
export type { Logger } from './observe/logger.ts'
export type { ProxyAddress } from './runtime/proxy.ts'

/** Value of an option as a configuration file would give it: `'30s'`, `2`, `true`, or a list. */
export type OptionInput = string | number | boolean | readonly (string | number)[]

/** Options of `portald run` alone. */
type NotForLibrary =
  | 'config'
  | 'file'
  | 'kubeconfig'
  | 'inCluster'
  | 'namespace'
  | 'labelSelector'
  | 'clusterCopy'
  | 'onlyWithoutIpvs'
  | 'admin'
  | 'adminTlsCert'
  | 'adminTlsKey'
  | 'adminTokenFile'
  | 'adminClientCa'
  | 'adminReadOnly'
  | 'stateDir'

/** What to serve, and any option of `docs/configuration.md` by its key. Nothing is read from the environment, and
 *  metrics and health checks are answered only where an address for them is given. */
export type OpenProxyOptions = { readonly [Key in Exclude<OptionKey, NotForLibrary>]?: OptionInput } & {
  /** Kubernetes objects: Services, EndpointSlices, Endpoints, Lists. They are copied. */
  readonly objects?: readonly unknown[]
  /** Files and folders of such objects to read and watch. */
  readonly files?: readonly string[]
  /** When left out, `logLevel` says what is logged to stderr; without that, nothing is. */
  readonly logger?: Logger
}

/** A proxy inside this process. Disposing it ends everything now; drain first to let sessions finish. */
export interface PortaldProxy extends AsyncDisposable {
  /** Resolves when everything given was loaded once and every listener was tried. */
  readonly ready: Promise<void>
  /** What it listens on, or tries to. */
  addresses(): readonly ProxyAddress[]
  /** Gives the endpoints of a Service (`namespace/name`) with this address (`10.1.0.1` or `10.1.0.1:8080`) another weight, or
   *  takes them out of service, in place of what was set before; `{}` takes that back. It stays until then, whatever is
   *  loaded. Returns how many endpoints it is for.
   *  @throws ProxyError E_CONFIG when the weight is none. */
  setEndpoint(service: string, address: string, wish: EndpointWish): number
  /** What was set that way. */
  overrides(): readonly EndpointOverride[]
  /** What is known of the endpoints whose Services have their health watched. */
  health(): readonly EndpointHealth[]
  /** What is wrong with the objects and files in force. */
  problems(): readonly Problem[]
  /** Takes these objects instead of the ones before; sessions to endpoints that stay are not touched. */
  update(objects: readonly unknown[]): void
  /** Reads the files again now. */
  refresh(): void
  /** Goes on accepting for `delayMs` (0 when left out), then takes nothing new and lets sessions finish, up to
   *  `deadlineMs` (30 s when left out); what still runs then is cut, and counted. */
  drain(options?: { readonly delayMs?: number; readonly deadlineMs?: number }): Promise<{ readonly cut: number }>
}

/** Opens a proxy in this process; returns before it has loaded what it was given.
 *  @throws ProxyError E_CONFIG when an option is wrong, E_ENGINE when the engine that was asked for cannot run here. */
export async function openProxy(options: OpenProxyOptions): Promise<PortaldProxy> {
  const { objects = [], files = [], logger: given, ...inputs } = options
  const config = readOptions(inputs)
  const logger = given ?? (inputs.logLevel === undefined ? silentLogger : createLogger({ level: config.logLevel }))
  const clock = systemClock
  const held: AsyncDisposable[] = []
  const hold = <T extends AsyncDisposable>(resource: T): T => {
    held.unshift(resource)
    return resource
  }
  const dispose = async () => {
    for (const resource of held.splice(0)) await resource[Symbol.asyncDispose]()
  }
  try {
    const version = readPackageVersion()
    const observer = hold(await openObserver({ config, version, clock, random: systemRandom, logger, processMetrics: false }))
    const parser = hold(await openFileParser({ clock }))
    const objectSource = hold(createObjectSource('objects', clock))
    objectSource.set(objects)
    const fileSources = await Promise.all(files.map(async (path) => hold(await openFileSource(path, { clock, parser }))))
    const sources = [objectSource, ...fileSources]
    const nodeName = nodeNameOf(config)
    const proxy = hold(await openRunningProxy({ config, sources, logger, nodeName, ...observer.hooks }))
    await observer.attach(proxy)
    return {
      ready: proxy.ready,
      addresses: () => proxy.addresses(),
      setEndpoint: (service, address, wish) => proxy.setEndpoint(service, address, wish),
      overrides: () => proxy.overrides(),
      health: () => proxy.health().endpoints,
      problems: () => proxy.read().problems,
      update: (next) => objectSource.set(next),
      refresh: () => proxy.refresh(),
      drain: ({ delayMs = 0, deadlineMs = config.drainTimeoutMs } = {}) => proxy.drain({ delayMs, deadlineMs }),
      [Symbol.asyncDispose]: dispose,
    }
  } catch (error) {
    await dispose()
    throw error
  }
}

/** Reads options as if they stood in a file; all that is wrong is in one error. */
function readOptions(inputs: Readonly<Record<string, unknown>>) {
  const problems: Problem[] = []
  const given = Object.entries(inputs).filter(([, value]) => value !== undefined)
  const value = { kind: 'Configuration', apiVersion: 'portald.io/v1alpha1', ...Object.fromEntries(given) }
  const config = parseConfiguration({ file: { place: 'openProxy', value, lines: new Map() }, command: 'forward' }, problems)
  if (!config) throw new ProxyError('E_CONFIG', 'config', problems.map(showProblem).join('; '))
  return config
}
