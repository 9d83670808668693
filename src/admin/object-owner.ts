import type { StoredObject } from '../store/store.ts'

/** The source of the objects that were written through the API. */
export const API_SOURCE = 'api'

/** What is kept with objects that are not of this API. */
export interface Foreign {
  /** Where it comes from: `/etc/portald/web.yaml:3`. */
  readonly owner: string
}

/** Whose an object is; undefined: this API's. */
export function ownerOf({ aside }: StoredObject): string | undefined {
  const owner = (aside as Partial<Foreign> | undefined | null)?.owner
  return typeof owner === 'string' ? owner : undefined
}
