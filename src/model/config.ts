import { nearest } from '../lib/nearest.ts'
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
import type { Labels } from './labels.ts'
import { type Problem, showValue } from './problem.ts'

/** Everything a process was told about itself: read once at start, complete, in canonical form. */
export interface Configuration {
  readonly files: readonly string[]
  readonly engine: OptionValue<'engine'>
  /** Undefined: as many as suit the machine. */
  readonly workers: number | undefined
  /** Undefined: the machine's host name. */
  readonly hostnameOverride: string | undefined
  /** Of this node, by key. */
  readonly nodeLabels: Labels
  /** Empty: the addresses found on this machine. */
  readonly nodeIps: readonly Ip[]
  /** Which addresses of the node answer on nodePorts: those in one of these ranges, or its own one of each family. Empty: all. */
  readonly nodeportAddresses: readonly Cidr[] | typeof PRIMARY
  /** Whether source ranges guard every external address and every family. */
  readonly strictSourceRanges: boolean
  /** Undefined: Services without a service-proxy-name are ours. */
  readonly serviceProxyName: string | undefined
  readonly allowLoopbackEndpoints: boolean
  /** Undefined: Services without a clusterIP get none. */
  readonly serviceClusterIpRange: Cidr | undefined
  readonly serviceNodePortRange: PortRange
  readonly logLevel: OptionValue<'logLevel'>
  /** A path, `-` for standard output, or undefined: off. */
  readonly accessLog: string | undefined
  /** Undefined: off. */
  readonly metricsBindAddress: SocketAddress | undefined
  /** Undefined: off. */
  readonly healthzBindAddress: SocketAddress | undefined
  readonly shutdownDelayMs: number
  readonly drainTimeoutMs: number
  readonly udpTimeoutMs: number
}

/** Values as text, by option; a list option has one entry per item, any other has its last one in force. */
export type GivenValues = Readonly<Partial<Record<OptionKey, readonly string[]>>>

/** A configuration file, parsed but not looked at. */
export interface ConfigurationFile {
  /** The file as the user named it. */
  readonly place: string
  readonly value: unknown
  /** The line of each top-level key. */
  readonly lines: ReadonlyMap<string, number>
}

/** Where options come from, strongest first. */
export interface ConfigurationInputs {
  readonly flags?: GivenValues
  /** The environment; variables that are not options are passed over. */
  readonly variables?: Readonly<Record<string, string | undefined>>
  readonly file?: ConfigurationFile | undefined
  /** Whose defaults hold; those of `run` when left out. */
  readonly command?: OptionCommand
}

/** One value on its way in: where it came from is what a problem names. */
interface Given {
  readonly place: string
  readonly field: string
  readonly items: readonly unknown[]
}

/** Reads the configuration from all inputs. Every bad value of every input is a problem, even where a stronger input
 *  overrides it; undefined when there was one. */
export function parseConfiguration(inputs: ConfigurationInputs, problems: Problem[]): Configuration | undefined {
  const before = problems.length
  const fileValues = inputs.file ? readFile(inputs.file, problems) : new Map<OptionKey, Given>()

  function read<Key extends OptionKey>(key: Key): readonly OptionValue<Key>[] {
    const given = [flagOrNothing(inputs, key), variableOrNothing(inputs, key), fileValues.get(key)]
    const [strongest] = given.filter((input) => input !== undefined).map((input) => readItems(key, input, problems))
    const byDefault = { place: '', field: key, items: [defaultOf(key, inputs.command ?? 'run')] }
    return strongest ?? readItems(key, byDefault, problems)
  }
  function required<Key extends OptionKey>(key: Key): OptionValue<Key> {
    // A bad value is a problem by now, and the default put in its place is not seen by anyone.
    return (read(key).at(-1) ?? parseOptionValue(configOption(key), CONFIG_OPTIONS[key].default)) as OptionValue<Key>
  }

  const configuration: Configuration = {
    files: read('file'),
    engine: required('engine'),
    workers: read('workers').at(-1),
    hostnameOverride: read('hostnameOverride').at(-1),
    nodeLabels: Object.fromEntries(read('nodeLabel')),
    nodeIps: unique(read('nodeIp')),
    nodeportAddresses: rangesOrPrimary(read('nodeportAddresses')),
    strictSourceRanges: required('strictSourceRanges'),
    serviceProxyName: read('serviceProxyName').at(-1),
    allowLoopbackEndpoints: required('allowLoopbackEndpoints'),
    serviceClusterIpRange: read('serviceClusterIpRange').at(-1),
    serviceNodePortRange: required('serviceNodePortRange'),
    logLevel: required('logLevel'),
    accessLog: read('accessLog').at(-1),
    metricsBindAddress: read('metricsBindAddress').at(-1),
    healthzBindAddress: read('healthzBindAddress').at(-1),
    shutdownDelayMs: required('shutdownDelay'),
    drainTimeoutMs: required('drainTimeout'),
    udpTimeoutMs: required('udpTimeout'),
  }
  return problems.length > before ? undefined : configuration
}

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
  return CONFIG_OPTIONS[key].kind === 'address' || key === 'accessLog'
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
      problems.push(problem(given.place, given.field, 'config-value', showValue(item), expectedValue(option)))
    } else {
      values.push(value)
    }
  }
  const { alone } = option
  if (alone !== undefined && values.length > 1 && values.some((value) => value === alone)) {
    problems.push(problem(given.place, given.field, 'config-value', showValue(given.items), expectedValue(option)))
  }
  return values
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
function readFile(file: ConfigurationFile, problems: Problem[]): Map<OptionKey, Given> {
  const values = new Map<OptionKey, Given>()
  const { value } = file
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    problems.push(
      problem(
        file.place,
        '',
        'config-kind',
        showValue(value),
        `must be a mapping with kind: ${KIND} and apiVersion: ${API_VERSION}`,
      ),
    )
    return values
  }
  const placeOf = (key: string) => [file.place, file.lines.get(key)].filter((part) => part !== undefined).join(':')
  const head = value as { readonly kind?: unknown; readonly apiVersion?: unknown }
  if (head.kind !== KIND) problems.push(problem(placeOf('kind'), 'kind', 'config-kind', showValue(head.kind), `must be ${KIND}`))
  if (head.apiVersion !== API_VERSION) {
    problems.push(
      problem(placeOf('apiVersion'), 'apiVersion', 'config-kind', showValue(head.apiVersion), `must be ${API_VERSION}`),
    )
  }
  for (const [key, item] of Object.entries(value)) {
    if (key === 'kind' || key === 'apiVersion' || item === null) continue
    if (isFileKey(key)) {
      values.set(key, { place: placeOf(key), field: key, items: [item] })
    } else {
      problems.push(problem(placeOf(key), key, 'config-key', '', `is not an option; the nearest is ${nearest(key, FILE_KEYS)}`))
    }
  }
  return values
}

const FILE_KEYS: readonly string[] = OPTION_KEYS.filter((key) => key !== 'config')

function isFileKey(key: string): key is OptionKey {
  return FILE_KEYS.includes(key)
}

function problem(place: string, field: string, code: string, value: string, message: string): Problem {
  return { severity: 'error', code, place, object: '', field, value, message }
}

function rangesOrPrimary(values: readonly OptionValue<'nodeportAddresses'>[]): Configuration['nodeportAddresses'] {
  return values.includes(PRIMARY) ? PRIMARY : unique(values.filter((value): value is Cidr => value !== PRIMARY))
}

function unique<T>(values: readonly T[]): readonly T[] {
  return [...new Set(values)]
}
