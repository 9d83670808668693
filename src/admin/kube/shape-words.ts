import { z } from 'zod'

/** What the API says of a field beside its type: the words of `kubectl explain`, and how patches and appliers treat it. */
export interface FieldNotes {
  readonly 'x-kubernetes-list-type'?: 'atomic' | 'map' | 'set'
  readonly 'x-kubernetes-list-map-keys'?: readonly string[]
  readonly 'x-kubernetes-map-type'?: 'atomic'
  readonly 'x-kubernetes-patch-strategy'?: 'merge'
  readonly 'x-kubernetes-patch-merge-key'?: string
  readonly default?: unknown
}

const LARGEST_INT32 = 2 ** 31 - 1

/** Text, or one of `values`. */
export function text(description: string, notes: FieldNotes & { readonly format?: string } = {}) {
  return z
    .string()
    .optional()
    .meta({ description, ...notes })
}

/** A 32-bit number, as the API carries it; what it may be is decided later, with a cause of its own. */
export function number(description: string, format: 'int32' | 'int64' = 'int32') {
  const most = format === 'int32' ? LARGEST_INT32 : Number.MAX_SAFE_INTEGER
  return z.int().min(-most).max(most).optional().meta({ description, format })
}

export function flag(description: string) {
  return z.boolean().optional().meta({ description })
}

export function texts(description: string, notes: FieldNotes = { 'x-kubernetes-list-type': 'atomic' }) {
  return z
    .array(z.string())
    .optional()
    .meta({ description, ...notes })
}

/** Text by text, such as labels. */
export function words(description: string, notes: FieldNotes = {}) {
  return z
    .record(z.string(), z.string())
    .optional()
    .meta({ description, ...notes })
}

export function list<T extends z.ZodRawShape>(
  description: string,
  fields: T,
  notes: FieldNotes = { 'x-kubernetes-list-type': 'atomic' },
) {
  return z
    .array(z.object(fields))
    .optional()
    .meta({ description, ...notes })
}

export function group<T extends z.ZodRawShape>(description: string, fields: T, notes: FieldNotes = {}) {
  return z
    .object(fields)
    .optional()
    .meta({ description, ...notes })
}

/** A port's number or its name. */
export function numberOrName(description: string) {
  return z
    .union([z.int(), z.string()])
    .optional()
    .meta({ description, format: 'int-or-string', 'x-kubernetes-int-or-string': true })
}

/** Whatever is in there is kept as it is. */
export function anything(description: string) {
  return z.record(z.string(), z.unknown()).optional().meta({ description, 'x-kubernetes-preserve-unknown-fields': true })
}
