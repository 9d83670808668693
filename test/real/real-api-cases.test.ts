import { readFileSync } from 'node:fs'
import { request } from 'node:https'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Asker, runCase } from '../kube/case-runner.ts'
import { CASES, SLICES } from '../kube/cases.ts'
import { eventually } from '../support/eventually.ts'
import type { Json } from '../support/objects.ts'
import { missing, RealCluster } from './real-cluster.ts'

const IP = '127.135.4.1'

describe.skipIf(missing !== undefined)(
  `a real API server answers as the table says${missing === undefined ? '' : ` (${missing})`}`,
  () => {
    let cluster: RealCluster
    let ask: Asker

    beforeAll(async () => {
      cluster = await RealCluster.open(IP, '127.10.0.0/16')
      const ca = readFileSync(join(cluster.folder, 'certs/apiserver.crt'))
      ask = async (method, path, body, type = 'application/json') => {
        const bytes = body === undefined || typeof body === 'string' ? (body ?? '') : JSON.stringify(body)
        // Node says no length of what is sent with a DELETE.
        const length = Buffer.byteLength(bytes)
        const headers = { authorization: 'Bearer admin-token', 'content-type': type, 'content-length': length }
        const asking = request(`https://${IP}:6443${path}`, { method, ca, headers })
        const answered = new Promise<{ code: number; body: Json }>((resolve, reject) => {
          asking.on('error', reject).on('response', (response) => {
            text(response).then((said) => resolve({ code: response.statusCode ?? 0, body: read(said) }), reject)
          })
        })
        asking.end(bytes)
        return await answered
      }
      // It says that it is ready before it has made its own objects.
      await eventually(async () => expect((await ask('GET', '/api/v1/namespaces/default')).code).toBe(200))
      await eventually(async () => expect((await ask('GET', SLICES)).code).toBe(200))
    })
    afterAll(() => cluster?.[Symbol.asyncDispose]())

    it.each(CASES)('$name', async (one) => {
      const outcome = await runCase(one, ask)
      const { code, reason, causes } = one.answer
      expect(outcome).toEqual({
        code,
        reason: reason ?? outcome.reason,
        causes: causes === undefined ? outcome.causes : causes.toSorted(),
      })
    })
  },
)

/** Some failures are told in plain text. */
function read(said: string): Json {
  try {
    return JSON.parse(said) as Json
  } catch {
    return { message: said }
  }
}
