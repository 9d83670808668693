import { nearest } from '../lib/nearest.ts'
import { type ConfigurationFile, checkApiVersion, configError, type Given, type GivenOptions, placeOf } from './config-given.ts'
import { flagOf, isList, OPTION_KEYS, type OptionKey } from './config-table.ts'
import { expectedValue, parseValue } from './config-value.ts'
import { KUBE_PROXY_SETTINGS, type KubeProxyMeaning, type KubeProxySetting } from './kube-proxy-table.ts'
import { type Problem, showValue } from './problem.ts'

/** What kube-proxy's own way of saying things comes to in our options. */
export interface KubeProxyInput {
  readonly values: GivenOptions
  /** Options that hold where no other input says anything. */
  readonly fallbacks: GivenOptions
}

/** Flags as they were given, by name. */
export type KubeProxyFlags = Readonly<Record<string, readonly string[]>>

export const KUBE_PROXY_KIND = 'KubeProxyConfiguration'
const API_VERSION = 'kubeproxy.config.k8s.io/v1alpha1'

const OUR_FLAGS: readonly string[] = [...OPTION_KEYS.map(flagOf), 'help', 'version']

/** The flags of kube-proxy that are not among ours. */
export const KUBE_PROXY_FLAGS: readonly KubeProxySetting[] = KUBE_PROXY_SETTINGS.filter(
  ({ flag }) => flag !== '' && !OUR_FLAGS.includes(flag),
)

const BY_FIELD = new Map(KUBE_PROXY_SETTINGS.filter(({ field }) => field !== '').map((setting) => [setting.field, setting]))
const FIELDS = [...BY_FIELD.keys()]
/** Paths of mappings that hold fields. */
const SECTIONS = new Set(FIELDS.flatMap((field) => [...field.matchAll(/\./g)].map(({ index }) => field.slice(0, index))))

/** Whether a file is kube-proxy's. */
export function isKubeProxyFile({ value }: ConfigurationFile): boolean {
  return isMapping(value) && value['kind'] === KUBE_PROXY_KIND
}

/** Reads kube-proxy's configuration file. A field that asks for something that does not exist here is a warning, as is one
 *  that is unknown (kube-proxy, too, goes on then); a value that kube-proxy would refuse is an error. Fields that ask
 *  for nothing are passed over: tools write them all out. */
export function readKubeProxyFile(file: ConfigurationFile, problems: Problem[]): KubeProxyInput {
  problems.push(...checkApiVersion(file, API_VERSION))
  const found: Found[] = []
  walk(file, file.value as Mapping, '', found, problems)
  return settle(found, problems)
}

/** Reads kube-proxy's flags in the same way. */
export function readKubeProxyFlags(flags: KubeProxyFlags, problems: Problem[]): KubeProxyInput {
  const found: Found[] = []
  for (const setting of KUBE_PROXY_FLAGS) {
    const values = flags[setting.flag] ?? []
    const value = setting.rule && !isList(setting.rule.kind) ? values.at(-1) : values.join(',')
    if (value) found.push({ setting, place: `--${setting.flag}`, field: '', value })
  }
  return settle(found, problems)
}

interface Found {
  readonly setting: KubeProxySetting
  readonly place: string
  readonly field: string
  readonly value: unknown
}

type Mapping = Readonly<Record<string, unknown>>

function isMapping(value: unknown): value is Mapping {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function walk(file: ConfigurationFile, section: Mapping, prefix: string, found: Found[], problems: Problem[]): void {
  for (const [key, value] of Object.entries(section)) {
    const field = prefix === '' ? key : `${prefix}.${key}`
    if (value === null || field === 'kind' || field === 'apiVersion') continue
    const place = placeOf(file, field)
    const setting = BY_FIELD.get(field)
    if (setting) found.push({ setting, place, field, value })
    else if (!SECTIONS.has(field)) problems.push(unknown(place, field))
    else if (isMapping(value)) walk(file, value, field, found, problems)
    else problems.push(configError(place, field, 'config-value', showValue(value), 'must be a mapping'))
  }
}

function unknown(place: string, field: string): Problem {
  const message = `is no field of ${KUBE_PROXY_KIND} and is left out; the nearest is ${nearest(field, FIELDS)}`
  return { ...configError(place, field, 'config-key', '', message), severity: 'warning' }
}

/** What all that was found comes to, in the order of the table: there the earlier one of two for one option counts. */
function settle(found: readonly Found[], problems: Problem[]): KubeProxyInput {
  const values = new Map<OptionKey, Given>()
  const fallbacks = new Map<OptionKey, Given>()
  const withdrawn = new Set<OptionKey>()
  for (const one of found.toSorted((a, b) => orderOf(a) - orderOf(b))) {
    const { place, field } = one
    const { gives, fallbacks: weak, withdraws, warning } = read(one, problems)
    put(values, gives, place, field)
    put(fallbacks, weak, place, field)
    if (withdraws) withdrawn.add(withdraws)
    if (warning === undefined) continue
    const severity = one.setting.fate === 'refused' ? 'error' : 'warning'
    problems.push({ ...configError(place, field, 'config-unused', showValue(one.value), warning), severity })
  }
  for (const option of withdrawn) values.delete(option)
  return { values, fallbacks }
}

function orderOf({ setting }: Found): number {
  return KUBE_PROXY_SETTINGS.indexOf(setting)
}

function put(into: Map<OptionKey, Given>, options: KubeProxyMeaning['gives'], place: string, field: string): void {
  for (const [option, text] of Object.entries(options ?? {}) as [OptionKey, string][]) {
    if (!into.has(option)) into.set(option, { place, field, items: [text] })
  }
}

/** What one value asks for; nothing when it is wrong, which is a problem then. */
function read({ setting, place, field, value }: Found, problems: Problem[]): KubeProxyMeaning {
  const { rule } = setting
  if (!rule) return isEmpty(value) ? {} : setting.means('')
  const items = isList(rule.kind) ? listOf(value) : [textOf(value)]
  const wrong = items.findIndex((item) => item === undefined || (item !== '' && parseValue(rule, item) === undefined))
  if (wrong >= 0) {
    const shown = showValue(isList(rule.kind) && Array.isArray(value) ? value[wrong] : value)
    problems.push(configError(place, field, 'config-value', shown, expectedValue(rule)))
    return {}
  }
  const text = items.join(',').trim()
  return asksForNothing(text, setting) ? {} : setting.means(text)
}

function listOf(value: unknown): readonly (string | undefined)[] {
  return Array.isArray(value) ? value.map(textOf) : (textOf(value)?.split(',') ?? [undefined])
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? String(value) : undefined
}

function isEmpty(value: unknown): boolean {
  return value === '' || (typeof value === 'object' && value !== null && Object.keys(value).length === 0)
}

/** Whether a value leaves things as they are: it is empty or no time at all. Of what does not exist here, zero and kube-proxy's
 *  default, however it is written, say nothing either. */
function asksForNothing(text: string, { rule, default: fallback, fate }: KubeProxySetting): boolean {
  if (!rule || text === '') return true
  const value = parseValue(rule, text)
  if (rule.kind === 'duration' && value === 0) return true
  if (fate !== 'ignored') return false
  const isZero = rule.kind !== 'boolean' && Number(value) === 0
  return isZero || text === fallback || (!isList(rule.kind) && fallback !== '' && value === parseValue(rule, fallback))
}
