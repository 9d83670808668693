import { Refusal } from './refusal.ts'

/** JSON's mapping, never trusted and never changed in place. */
export type Mapping = Readonly<Record<string, unknown>>

/** Whether what came back is why it cannot be had. */
export function refused(value: unknown): value is Refusal {
  return value instanceof Refusal
}
