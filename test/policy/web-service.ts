import type { ServiceKey } from '../../src/model/keys.ts'
import { aService, aSlice, type Json } from '../support/objects.ts'

/** Where the Service `web` is reached. */
export const WEB = 'TCP/10.0.0.1:80'
export const web = 'default/web' as ServiceKey

/** The Service with these annotations, less the prefix. */
export function service(annotations: Record<string, string>, spec: Json = {}): Json {
  const prefixed = Object.fromEntries(Object.entries(annotations).map(([name, value]) => [`portald.io/${name}`, value]))
  return aService('web', spec, { annotations: prefixed })
}

/** Its endpoints 10.1.0.n. */
export function slice(...numbers: number[]): Json {
  return aSlice(
    'web',
    numbers.map((n) => `10.1.0.${n}`),
  )
}

/** Addresses of so many clients. */
export function clients(count: number): string[] {
  return Array.from({ length: count }, (_, n) => `192.0.2.${n + 1}`)
}

/** How often each endpoint comes in an answer of a policy world's `go`. */
export function shares(answer: string): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const one of answer.split(' ')) counts[one] = (counts[one] ?? 0) + 1
  return counts
}
