import type { ClientLimits } from './client-limits.ts'
import type { Cidr } from './keys.ts'
import type { ServiceOptions } from './service.ts'

/** What the annotations say, before what belongs together is put together. */
export interface Wishes extends Omit<ServiceOptions, 'acceptProxy' | 'clientLimits'>, ClientLimits {
  readonly attempts: number | undefined
  readonly acceptProxyFrom: readonly Cidr[] | undefined
  readonly acceptProxyMs: number
}

/** One annotation: this table is all there is to know about it, for the program and for its documentation. */
export interface AnnotationRule {
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
