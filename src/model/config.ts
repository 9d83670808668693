import { nearest } from '../lib/nearest.ts'
import type { AccessFormat } from './access-format.ts'
import type { AdminAccess, AdminAddress } from './admin-address.ts'
import { type ConfigurationFile, checkApiVersion, configError, type Given, placeOf } from './config-given.ts'
import {
  CONFIG_OPTIONS,
  configOption,
  defaultOf,
  flagOf,
  isList,
  OPTION_KEYS,
  type OptionCommand,
  type OptionKey,
  variableOf,
} from './config-table.ts'
import { expectedValue, type OptionValue, type PortRange, PRIMARY, parseOptionValue } from './config-value.ts'
import type { Cidr, Ip, SocketAddress } from './keys.ts'
import {
  isKubeProxyFile,
  KUBE_PROXY_KIND,
  type KubeProxyFlags,
  type KubeProxyInput,
  readKubeProxyFile,
  readKubeProxyFlags,
} from './kube-proxy-config.ts'
import type { Labels } from './labels.ts'
import { type Problem, showValue } from './problem.ts'

/** Everything a process was told about itself: read once at start, complete, in canonical form. */
export interface Configuration {
  readonly files: readonly string[]
  /** The cluster to follow; undefined: none, unless `inCluster`. */
  readonly kubeconfig: string | undefined
  /** Follow the cluster that this pod is in. */
  readonly inCluster: boolean
  /** Of the cluster; undefined: all. */
  readonly namespace: string | undefined
  /** Of the cluster's Services; undefined: all. */
  readonly labelSelector: string | undefined
  /** A path; undefined: no copy. */
  readonly clusterCopy: string | undefined
  readonly engine: OptionValue<'engine'>
  /** Undefined: as many as suit the machine. */
  readonly workers: number | undefined
  /** Undefined: the machine's host name. */
  readonly hostnameOverride: string | undefined
  /** Of this node, by key. */
  readonly nodeLabels: Labels
  /** Empty: the addresses found on this machine. */
  readonly nodeIps: readonly Ip[]
  /** Clients from here count as on this node, beside its own addresses. */
  readonly clusterCidrs: readonly Cidr[]
  /** Which addresses of the node answer on nodePorts: those in one of these ranges, or its own one of each family. Empty: all. */
  readonly nodeportAddresses: readonly Cidr[] | typeof PRIMARY
  /** Whether source ranges guard every external address and every family. */
  readonly strictSourceRanges: boolean
  /** Undefined: Services without a service-proxy-name are ours. */
  readonly serviceProxyName: string | undefined
  readonly allowLoopbackEndpoints: boolean
  /** Undefined: Services without a clusterIP get none. */
  readonly serviceClusterIpRange: Cidr | undefined
  /** The one above and others: where clusterIPs are. */
  readonly serviceClusterIpRanges: readonly Cidr[]
  /** Empty: no externalIP is made local. */
  readonly externalIpRanges: readonly Cidr[]
  readonly vipMode: OptionValue<'vipMode'>
  readonly serviceNodePortRange: PortRange
  /** Whether to serve only where the kernel's own balancer does not work. */
  readonly onlyWithoutIpvs: boolean
  /** Of Services that do not say. */
  readonly scheduler: OptionValue<'scheduler'>
  /** Path and arguments of programs that check endpoints, by name. */
  readonly checkPrograms: ReadonlyMap<string, readonly string[]>
  readonly checksAtOnce: number
  readonly logLevel: OptionValue<'logLevel'>
  /** A path, `-` for standard output, or undefined: off. */
  readonly accessLog: string | undefined
  readonly accessLogFormat: AccessFormat
  /** Of sessions that ended well, one in so many has a line. */
  readonly accessLogSample: number
  /** Undefined: off. */
  readonly metricsBindAddress: SocketAddress | undefined
  /** Whether metrics tell of single endpoints. */
  readonly metricsPerEndpoint: boolean
  /** Undefined: off. */
  readonly healthzBindAddress: SocketAddress | undefined
  /** Empty: nowhere. */
  readonly admin: readonly AdminAddress[]
  readonly adminAccess: AdminAccess
  /** Undefined: the usual place. */
  readonly stateDir: string | undefined
  readonly shutdownDelayMs: number
  readonly drainTimeoutMs: number
  /** The three of Services that do not say. */
  readonly idleTimeoutMs: number
  readonly halfCloseTimeoutMs: number
  readonly udpTimeoutMs: number
}

/** Values as text, by option; a list option has one entry per item, any other has its last one in force. */
export type GivenValues = Readonly<Partial<Record<OptionKey, readonly string[]>>>

/** Where options come from, strongest first. */
export interface ConfigurationInputs {
  readonly flags?: GivenValues
  /** Flags of kube-proxy that are not ours. */
  readonly kubeProxyFlags?: KubeProxyFlags
  /** The environment; variables that are not options are passed over. */
  readonly variables?: Readonly<Record<string, string | undefined>>
  readonly file?: ConfigurationFile | undefined
  /** Whose defaults hold; those of `run` when left out. */
  readonly command?: OptionCommand
  /** Told of every option which input counts for it. The place is empty for the default. */
  readonly onRead?: (key: OptionKey, given: Given) => void
}

/** Reads the configuration from all inputs. Every bad value of every input is a problem, even where a stronger input
 *  overrides it; undefined when there was one. Warnings are problems, too, but do not stand in the way. */
export function parseConfiguration(inputs: ConfigurationInputs, problems: Problem[]): Configuration | undefined {
  const before = problems.length
  const kubeProxy = readKubeProxyFlags(inputs.kubeProxyFlags ?? {}, problems)
  const file = inputs.file ? readFile(inputs.file, problems) : NOTHING

  function read<Key extends OptionKey>(key: Key): readonly OptionValue<Key>[] {
    const given = [
      flagOrNothing(inputs, key),
      kubeProxy.values.get(key),
      variableOrNothing(inputs, key),
      file.values.get(key),
      kubeProxy.fallbacks.get(key),
      file.fallbacks.get(key),
    ]
    const [strongest] = given
      .filter((input) => input !== undefined)
      .map((input) => ({ input, values: readItems(key, input, problems) }))
    const byDefault = { place: '', field: key, items: [defaultOf(key, inputs.command ?? 'run')] }
    inputs.onRead?.(key, strongest?.input ?? byDefault)
    return strongest?.values ?? readItems(key, byDefault, problems)
  }
  function required<Key extends OptionKey>(key: Key): OptionValue<Key> {
    // A bad value is a problem by now, and the default put in its place is not seen by anyone.
    return (read(key).at(-1) ?? parseOptionValue(configOption(key), CONFIG_OPTIONS[key].default)) as OptionValue<Key>
  }

  const clusterIpRanges = unique(read('serviceClusterIpRange'))
  const configuration: Configuration = {
    files: read('file'),
    kubeconfig: read('kubeconfig').at(-1),
    inCluster: required('inCluster'),
    namespace: read('namespace').at(-1),
    labelSelector: read('labelSelector').at(-1),
    clusterCopy: read('clusterCopy').at(-1),
    engine: required('engine'),
    workers: read('workers').at(-1),
    hostnameOverride: read('hostnameOverride').at(-1),
    nodeLabels: Object.fromEntries(read('nodeLabel')),
    nodeIps: unique(read('nodeIp')),
    clusterCidrs: unique(read('clusterCidr')),
    nodeportAddresses: rangesOrPrimary(read('nodeportAddresses')),
    strictSourceRanges: required('strictSourceRanges'),
    serviceProxyName: read('serviceProxyName').at(-1),
    allowLoopbackEndpoints: required('allowLoopbackEndpoints'),
    serviceClusterIpRange: clusterIpRanges[0],
    serviceClusterIpRanges: clusterIpRanges,
    externalIpRanges: unique(read('externalIpRange')),
    vipMode: required('vipMode'),
    serviceNodePortRange: required('serviceNodePortRange'),
    onlyWithoutIpvs: required('onlyWithoutIpvs'),
    scheduler: required('scheduler'),
    checkPrograms: new Map(read('checkProgram')),
    checksAtOnce: required('checksAtOnce'),
    logLevel: required('logLevel'),
    accessLog: read('accessLog').at(-1),
    accessLogFormat: required('accessLogFormat'),
    accessLogSample: required('accessLogSample'),
    metricsBindAddress: read('metricsBindAddress').at(-1),
    metricsPerEndpoint: required('metricsPerEndpoint'),
    healthzBindAddress: read('healthzBindAddress').at(-1),
    admin: read('admin'),
    adminAccess: {
      tlsCert: read('adminTlsCert').at(-1),
      tlsKey: read('adminTlsKey').at(-1),
      tokenFile: read('adminTokenFile').at(-1),
      clientCa: read('adminClientCa').at(-1),
      readOnly: required('adminReadOnly'),
    },
    stateDir: read('stateDir').at(-1),
    shutdownDelayMs: required('shutdownDelay'),
    drainTimeoutMs: required('drainTimeout'),
    idleTimeoutMs: required('idleTimeout'),
    halfCloseTimeoutMs: required('halfCloseTimeout'),
    udpTimeoutMs: required('udpTimeout'),
  }
  return problems.slice(before).some(({ severity }) => severity === 'error') ? undefined : configuration
}

const NOTHING: KubeProxyInput = { values: new Map(), fallbacks: new Map() }

function flagOrNothing(inputs: ConfigurationInputs, key: OptionKey): Given | undefined {
  const items = inputs.flags?.[key] ?? []
  return items.length > 0 ? { place: `--${flagOf(key)}`, field: '', items } : undefined
}

function variableOrNothing(inputs: ConfigurationInputs, key: OptionKey): Given | undefined {
  const text = inputs.variables?.[variableOf(key)]
  if (text === undefined || (text === '' && !emptyMeansOff(key))) return undefined
  return { place: variableOf(key), field: '', items: [text] }
}

/** Whether an empty value says something: no address, no access log. Elsewhere an empty variable counts as not set, so that
 *  `PORTALD_WORKERS=${WORKERS}` does no harm. */
function emptyMeansOff(key: OptionKey): boolean {
  return CONFIG_OPTIONS[key].kind === 'address' || key === 'accessLog' || key === 'admin'
}

/** Splits, trims and parses; a value that is not one becomes a problem. Nothing at all is an empty list. */
function readItems<Key extends OptionKey>(key: Key, given: Given, problems: Problem[]): readonly OptionValue<Key>[] {
  const option = configOption(key)
  const list = isList(option.kind)
  const values: OptionValue<Key>[] = []
  for (const item of list ? given.items.flatMap(splitList) : given.items.slice(-1)) {
    const text = scalarText(item)
    if (text?.trim() === '' && (list || option.default === '' || emptyMeansOff(key))) continue
    const value = text === undefined ? undefined : parseOptionValue<Key>(option, text)
    if (value === undefined) {
      problems.push(configError(given.place, given.field, 'config-value', showValue(item), expectedValue(option)))
    } else {
      values.push(value)
    }
  }
  const { alone } = option
  if (alone !== undefined && values.length > 1 && values.some((value) => value === alone)) {
    problems.push(configError(given.place, given.field, 'config-value', showValue(given.items), expectedValue(option)))
  }
  return values
}

/** What was given for an option, as it would be written in a file: one text, or one an item of a list. */
export function givenTexts(key: OptionKey, { items }: Given): readonly string[] {
  const all = isList(configOption(key).kind) ? items.flatMap(splitList) : items.slice(-1)
  return all.map((item) => (scalarText(item) ?? '').trim()).filter((text) => text !== '')
}

/** The items of a list as text; an item of a list in a file is not split, so that a path may hold a comma. */
function splitList(item: unknown): readonly unknown[] {
  return typeof item === 'string' ? item.split(',') : Array.isArray(item) ? item : [item]
}

function scalarText(item: unknown): string | undefined {
  return typeof item === 'string' || typeof item === 'number' || typeof item === 'boolean' ? String(item) : undefined
}

const API_VERSION = 'portald.io/v1alpha1'
const KIND = 'Configuration'

/** The options of a file by key; its head and its unknown keys are checked here. A key without a value is not given. */
function readFile(file: ConfigurationFile, problems: Problem[]): KubeProxyInput {
  if (isKubeProxyFile(file)) return readKubeProxyFile(file, problems)
  const { place, value } = file
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    const message = `must be a mapping with kind: ${KIND} and apiVersion: ${API_VERSION}`
    problems.push(configError(place, '', 'config-kind', showValue(value), message))
    return NOTHING
  }
  const { kind } = value as { readonly kind?: unknown }
  if (kind !== KIND) {
    const message = `must be ${KIND}, or ${KUBE_PROXY_KIND} for a file of kube-proxy's`
    problems.push(configError(placeOf(file, 'kind'), 'kind', 'config-kind', showValue(kind), message))
  }
  problems.push(...checkApiVersion(file, API_VERSION))
  const values = new Map<OptionKey, Given>()
  for (const [key, item] of Object.entries(value)) {
    if (key === 'kind' || key === 'apiVersion' || item === null) continue
    if (isFileKey(key)) {
      values.set(key, { place: placeOf(file, key), field: key, items: [item] })
    } else {
      const message = `is not an option; the nearest is ${nearest(key, FILE_KEYS)}`
      problems.push(configError(placeOf(file, key), key, 'config-key', '', message))
    }
  }
  return { values, fallbacks: new Map() }
}

const FILE_KEYS: readonly string[] = OPTION_KEYS.filter((key) => key !== 'config')

function isFileKey(key: string): key is OptionKey {
  return FILE_KEYS.includes(key)
}

function rangesOrPrimary(values: readonly OptionValue<'nodeportAddresses'>[]): Configuration['nodeportAddresses'] {
  return values.includes(PRIMARY) ? PRIMARY : unique(values.filter((value): value is Cidr => value !== PRIMARY))
}

function unique<T>(values: readonly T[]): readonly T[] {
  return [...new Set(values)]
}
