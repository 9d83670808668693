import { type Finding, showPath } from '../../model/findings.ts'
import type { Cause, CauseReason } from './refusal.ts'

const REASONS: Readonly<Record<string, CauseReason>> = {
  missing: 'FieldValueRequired',
  ports: 'FieldValueRequired',
  choice: 'FieldValueNotSupported',
  'port-taken': 'FieldValueDuplicate',
  'node-port-type': 'FieldValueForbidden',
  'affinity-config': 'FieldValueForbidden',
}

const PREFIXES: Readonly<Record<CauseReason, string>> = {
  FieldValueRequired: 'Required value',
  FieldValueInvalid: 'Invalid value',
  FieldValueNotSupported: 'Unsupported value',
  FieldValueDuplicate: 'Duplicate value',
  FieldValueForbidden: 'Forbidden',
  FieldValueTooLong: 'Too long',
  FieldValueTooMany: 'Too many',
  FieldManagerConflict: '',
  ResourceVersionTooLarge: '',
  UnexpectedServerResponse: '',
}
const LONGEST_VALUE = 200

/** A cause as Kubernetes words it. */
export function cause(reason: CauseReason, field: string, value: unknown, message: string): Cause {
  const shown = value === undefined || reason === 'FieldValueRequired' || reason === 'FieldValueForbidden' ? '' : showShort(value)
  const said = [shown, message].filter((part) => part !== '').join(': ')
  return { reason, field, message: said === '' ? PREFIXES[reason] : `${PREFIXES[reason]}: ${said}` }
}

function showShort(value: unknown): string {
  const text = JSON.stringify(value) ?? ''
  return text.length > LONGEST_VALUE ? `${text.slice(0, LONGEST_VALUE)}…` : text
}

/** What the rules of files and clusters found, as the API says it. */
export function causeOf({ code, path, value, message }: Finding): Cause {
  const [field, reason] = placed(code, path, value)
  return cause(reason, field, value, message)
}

/** Where upstream puts a cause, and what it calls it, where that is not where and what our own rules say. */
function placed(code: string, path: Finding['path'], value: unknown): readonly [field: string, reason: CauseReason] {
  const field = showPath(path)
  const last = path.at(-1)
  if (code === 'port-taken' && last === 'port') return [showPath(path.slice(0, -1)), 'FieldValueDuplicate']
  if (code === 'port-name') return [field, value === undefined ? 'FieldValueRequired' : 'FieldValueDuplicate']
  if (code === 'service-type') {
    if (last === 'clusterIP') return ['spec.clusterIPs[0]', 'FieldValueInvalid']
    if (last === 'loadBalancerSourceRanges') return [field, 'FieldValueForbidden']
    if (last === 'externalName' && !value) return [field, 'FieldValueRequired']
  }
  if (code === 'port-kubelet') return [showPath(path.slice(0, -1)), 'FieldValueInvalid']
  // clusterIP is the first of clusterIPs, and an endpoint's first address is the one it needs.
  if (field === 'spec.clusterIP') return ['spec.clusterIPs[0]', REASONS[code] ?? 'FieldValueInvalid']
  if (code === 'missing' && path.at(-2) === 'addresses') return [showPath(path.slice(0, -1)), 'FieldValueRequired']
  if (code === 'range') return ['spec.loadBalancerSourceRanges', 'FieldValueInvalid']
  return [field, REASONS[code] ?? 'FieldValueInvalid']
}
