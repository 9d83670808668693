import { z } from 'zod'
import type { FieldNotes } from './shape-words.ts'

/** The part of a JSON Schema that shapes come to: what everything but the type check reads. */
export interface Schema extends FieldNotes {
  readonly type?: 'object' | 'array' | 'string' | 'integer' | 'boolean'
  readonly description?: string
  readonly format?: string
  readonly properties?: Readonly<Record<string, Schema>>
  readonly required?: readonly string[]
  readonly items?: Schema
  readonly additionalProperties?: Schema
  readonly 'x-kubernetes-int-or-string'?: boolean
  readonly 'x-kubernetes-preserve-unknown-fields'?: boolean
}

/** A shape as data. */
export function schemaOf(shape: z.ZodType): Schema {
  const { $schema: _, ...schema } = z.toJSONSchema(shape, {
    io: 'input',
    override({ jsonSchema }) {
      // Kubernetes says the width of a number by its format, and either-or types have names of their own.
      delete jsonSchema.minimum
      delete jsonSchema.maximum
      delete jsonSchema.propertyNames
      if (jsonSchema['x-kubernetes-int-or-string']) delete jsonSchema.anyOf
      if (jsonSchema['x-kubernetes-preserve-unknown-fields']) delete jsonSchema.additionalProperties
    },
  })
  return schema as Schema
}

/** The schema of a field; of any key of a map; undefined: there is no such field. */
export function fieldOf(schema: Schema | undefined, name: string): Schema | undefined {
  if (schema?.properties && Object.hasOwn(schema.properties, name)) return schema.properties[name]
  return schema?.additionalProperties
}
