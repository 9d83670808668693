import type { ServiceOptions } from './service.ts'

/** What begins the names of our annotations. */
export const ANNOTATION_PREFIX = 'portald.io/'

/** One annotation: its row is all there is to know about it, for the program and for its documentation. */
export interface AnnotationRule<Wishes> {
  readonly name: string
  /** The field of {@link ServiceOptions} that it has a say in. */
  readonly sets: keyof ServiceOptions
  /** What holds without it, as it would be written; empty: nothing is set. */
  readonly fallback: string
  /** What a value must look like. */
  readonly right: string
  readonly about: string
  readonly parse: (text: string) => Partial<Wishes> | undefined
}
