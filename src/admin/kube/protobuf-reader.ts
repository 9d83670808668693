/** Reads protobuf by tables of field numbers. What a table does not name is passed over, as protobuf wants it. */

/** How a field is carried, and what it is in JSON. */
export type FieldType = 'text' | 'number' | 'flag' | 'words' | 'int-or-string' | Message

/** The fields of a message by number: a name, a type, and whether it is a list, or is only there when it was said. */
export interface Message {
  readonly [number: number]: readonly [name: string, type: FieldType, kind?: 'repeated' | 'optional']
}

/** One field as it stands there. */
interface Field {
  readonly number: number
  readonly varint: number
  readonly bytes: Uint8Array
}

/** A message as JSON; what is empty or zero is left out, unless it is optional: it means that nothing was said. Undefined:
 *  it is none. */
export function readMessage(bytes: Uint8Array, message: Message): Record<string, unknown> | undefined {
  const fields = readFields(bytes)
  if (!fields) return undefined
  const values = new Map<string, unknown>()
  for (const field of fields) {
    const [name, type, kind] = message[field.number] ?? []
    if (name === undefined || type === undefined) continue
    const value = readValue(field, type)
    if (value === undefined) return undefined
    if (type === 'words') values.set(name, { ...(values.get(name) as object | undefined), ...(value as object) })
    else if (kind === 'repeated') values.set(name, [...((values.get(name) as unknown[] | undefined) ?? []), value])
    else if (kind === 'optional' || !isNothing(value)) values.set(name, value)
  }
  return Object.fromEntries(values)
}

function isNothing(value: unknown): boolean {
  return value === '' || value === 0 || value === false || (typeof value === 'object' && Object.keys(value ?? {}).length === 0)
}

const WORD: Message = { 1: ['key', 'text'], 2: ['value', 'text'] }
const EITHER: Message = { 1: ['isText', 'flag'], 2: ['number', 'number'], 3: ['text', 'text'] }

function readValue({ varint, bytes }: Field, type: FieldType): unknown {
  if (type === 'text') return new TextDecoder().decode(bytes)
  if (type === 'number') return varint
  if (type === 'flag') return varint !== 0
  if (type === 'words') {
    const word = readMessage(bytes, WORD)
    return word && { [String(word['key'] ?? '')]: word['value'] ?? '' }
  }
  if (type === 'int-or-string') {
    const either = readMessage(bytes, EITHER)
    return either && (either['isText'] ? (either['text'] ?? '') : (either['number'] ?? 0))
  }
  return readMessage(bytes, type)
}

/** The fields of a message in their order; undefined: the bytes are not protobuf. */
export function readFields(bytes: Uint8Array): readonly Field[] | undefined {
  const fields: Field[] = []
  let at = 0
  const varint = (): number => {
    let value = 0n
    for (let shift = 0n; at < bytes.length && shift < 64n; shift += 7n) {
      const byte = bytes[at++] as number
      value |= BigInt(byte & 127) << shift
      if (byte < 128) return Number(BigInt.asIntN(64, value))
    }
    return Number.NaN
  }
  while (at < bytes.length) {
    const tag = varint()
    const [number, wire] = [Math.floor(tag / 8), tag % 8]
    let field: Field = { number, varint: 0, bytes: bytes.subarray(0, 0) }
    if (wire === 0) field = { ...field, varint: varint() }
    else {
      const length = wire === 2 ? varint() : wire === 1 ? 8 : wire === 5 ? 4 : Number.NaN
      if (!(length >= 0 && at + length <= bytes.length)) return undefined
      field = { ...field, bytes: bytes.subarray(at, at + length) }
      at += length
    }
    if (!Number.isFinite(number) || Number.isNaN(field.varint)) return undefined
    fields.push(field)
  }
  return fields
}
