import { KINDS } from './kinds.ts'
import { collectionPath, gvkOf, markedSchema, schemaName, WRITE_PARAMETERS } from './openapi.ts'
import { field, message } from './protobuf.ts'

/** The older form of the documentation, all in one document: kubectl before 1.27 validates and explains by it, and reads
 *  nothing but protobuf (`openapi.v2.Document` of gnostic, whose field numbers stand here). */

type SchemaData = Readonly<Record<string, unknown>>

/** As JSON. */
export function openApiV2(): object {
  return {
    swagger: '2.0',
    info: { title: 'portald', version: 'v1' },
    paths: {},
    definitions: Object.fromEntries(KINDS.map((kind) => [schemaName(kind), markedSchema(kind)])),
  }
}

/** As protobuf. */
export function openApiV2Protobuf(): Uint8Array {
  const definitions = KINDS.map((kind) => named(schemaName(kind), schemaBytes(markedSchema(kind))))
  const paths = KINDS.map((kind) => {
    const patch = message(
      ...WRITE_PARAMETERS.map(({ name }) => field(8, parameterBytes(name))),
      field(13, extensionBytes('x-kubernetes-group-version-kind', gvkOf(kind))),
    )
    return field(2, named(`${collectionPath(kind, kind.namespaced)}/{name}`, field(8, patch)))
  })
  return message(
    field(1, '2.0'),
    field(2, message(field(1, 'portald'), field(2, 'v1'))),
    field(8, message(...paths)),
    field(9, message(...definitions.map((definition) => field(1, definition)))),
  )
}

/** An entry of a map. */
function named(name: string, value: Uint8Array): Uint8Array {
  return message(field(1, name), field(2, value))
}

/** ParametersItem → Parameter → NonBodyParameter → QueryParameterSubSchema. */
function parameterBytes(name: string): Uint8Array {
  return field(1, field(2, field(3, message(field(2, 'query'), field(4, name), field(6, 'string')))))
}

function extensionBytes(name: string, value: unknown): Uint8Array {
  // Its value is YAML, which JSON is too.
  return named(name, field(2, JSON.stringify(value)))
}

function schemaBytes(schema: SchemaData): Uint8Array {
  const { format, description, required, additionalProperties, type, items, properties } = schema
  const fields: Uint8Array[] = []
  if (typeof format === 'string') fields.push(field(2, format))
  if (typeof description === 'string') fields.push(field(4, description))
  for (const name of Array.isArray(required) ? required : []) fields.push(field(19, String(name)))
  if (isSchema(additionalProperties)) fields.push(field(21, field(1, schemaBytes(additionalProperties))))
  // What may be a number or text is text here, with a format that says so.
  const said = type ?? (format === 'int-or-string' ? 'string' : undefined)
  if (typeof said === 'string') fields.push(field(22, field(1, said)))
  if (isSchema(items)) fields.push(field(23, field(1, schemaBytes(items))))
  if (isSchema(properties)) {
    const all = Object.entries(properties).map(([name, value]) => field(1, named(name, schemaBytes(value as SchemaData))))
    fields.push(field(25, message(...all)))
  }
  for (const [name, value] of Object.entries(schema))
    if (name.startsWith('x-')) fields.push(field(31, extensionBytes(name, value)))
  return message(...fields)
}

function isSchema(value: unknown): value is SchemaData {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
