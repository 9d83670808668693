import type { Json } from '../support/objects.ts'
import { type CASES, ENDPOINTS, SERVICES, SLICES } from './cases.ts'

export type Asker = (method: string, path: string, body?: unknown, type?: string) => Promise<{ code: number; body: Json }>

/** What came back, in the words of the table. */
export interface Outcome {
  readonly code: number
  readonly reason: string
  readonly causes: readonly string[]
}

const COLLECTIONS = [SERVICES, ENDPOINTS, SLICES]

/** Puts one case to a server that has nothing, and leaves it with nothing. */
export async function runCase(one: (typeof CASES)[number], ask: Asker): Promise<Outcome> {
  await clear(ask)
  for (const object of one.given ?? []) {
    const { code, body } = await ask('POST', collectionOf(object), object)
    if (code !== 201) throw new Error(`cannot be given: ${JSON.stringify(body)}`)
  }
  const body = one.over ? over((await ask('GET', one.path)).body, one.body as Json) : one.body
  const answer = await ask(one.method, one.path, body, one.type)
  const { reason = '', details = {} } = answer.body as { reason?: string; details?: { causes?: readonly Json[] } }
  const causes = (details.causes ?? []).map((cause) => `${cause['reason']} ${cause['field'] ?? ''}`)
  await clear(ask)
  return { code: answer.code, reason, causes: [...new Set(causes)].sort() }
}

async function clear(ask: Asker): Promise<void> {
  for (const path of COLLECTIONS) {
    const { items } = (await ask('GET', path)).body as { items: readonly { metadata: { name: string } }[] }
    for (const { metadata } of items) if (metadata.name !== 'kubernetes') await ask('DELETE', `${path}/${metadata.name}`)
  }
}

function collectionOf({ kind }: Json): string {
  return kind === 'Service' ? SERVICES : kind === 'Endpoints' ? ENDPOINTS : SLICES
}

/** A Service as whoever read it would send it back. */
function over(now: Json, body: Json): Json {
  const [old, spec] = [now['spec'] as Json, body['spec'] as Json]
  const clusterIPs = spec['clusterIP'] ? [spec['clusterIP']] : old['clusterIPs']
  const metadata = { ...(now['metadata'] as Json), ...(body['metadata'] as Json) }
  return { ...body, metadata, spec: { clusterIP: old['clusterIP'], clusterIPs, ...spec } }
}
