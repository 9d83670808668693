import type { StoredObject } from '../../store/store.ts'
import { ownerOf } from '../object-owner.ts'
import type { Form } from './accept.ts'
import type { KubeContext } from './context.ts'
import { fromStored } from './convert.ts'
import type { ServiceFacts } from './insight.ts'
import type { Kind } from './kinds.ts'
import type { Mapping } from './outcome.ts'
import { columnDefinitions, metadataOnly, type Row, tableRow } from './table.ts'
import { textAt } from './values.ts'

/** Puts objects into the form that a client asked for. */
export interface Renderer {
  one(object: StoredObject): object
  list(objects: readonly StoredObject[], metadata: object): object
  /** The object of a watch event; a table says its columns once. */
  event(object: StoredObject, first: boolean): object
}

export function createRenderer(context: KubeContext, kind: Kind, form: Form, includeObject: string): Renderer {
  const include = includeObject || 'Metadata'
  const rowsOf = (objects: readonly StoredObject[]) => {
    const survey: ((service: string) => ServiceFacts) | undefined =
      form.as === 'Table' && kind.kind === 'Service' ? context.insight.survey() : undefined
    const nowMs = context.clock.wall()
    return objects.map((stored) => {
      const object = shown(kind, stored)
      const name = `${textAt(object, 'metadata', 'namespace')}/${textAt(object, 'metadata', 'name')}`
      const row: Row = { object, owner: ownerOf(stored), facts: survey?.(name) }
      return tableRow(kind, row, include, nowMs)
    })
  }
  const table = (objects: readonly StoredObject[], metadata: object, columns: boolean) => ({
    kind: 'Table',
    apiVersion: 'meta.k8s.io/v1',
    metadata,
    columnDefinitions: columns ? columnDefinitions(kind) : [],
    rows: rowsOf(objects),
  })
  return {
    one(object) {
      if (form.as === 'Table') return table([object], { resourceVersion: String(object.resourceVersion) }, true)
      return form.as === 'PartialObjectMetadata' ? metadataOnly(object.value) : shown(kind, object)
    },
    list(objects, metadata) {
      if (form.as === 'Table') return table(objects, metadata, true)
      if (form.as === 'PartialObjectMetadata') {
        const items = objects.map(({ value }) => metadataOnly(value))
        return { kind: 'PartialObjectMetadataList', apiVersion: 'meta.k8s.io/v1', metadata, items }
      }
      return { kind: `${kind.kind}List`, apiVersion: kind.apiVersion, metadata, items: objects.map((one) => shown(kind, one)) }
    },
    event(object, first) {
      if (form.as === 'Table') return table([object], { resourceVersion: String(object.resourceVersion) }, first)
      return form.as === 'PartialObjectMetadata' ? metadataOnly(object.value) : shown(kind, object)
    },
  }
}

/** A stored object as clients of this version see it. */
export function shown(kind: Kind, { value }: StoredObject): Mapping {
  return fromStored(kind, value)
}
