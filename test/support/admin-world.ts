import { type IncomingMessage, request } from 'node:http'
import { type AdminFront, openAdminFront } from '../../src/admin/front/front.ts'
import type { AdminProxy, AdminRegistrar } from '../../src/admin/front/registrar.ts'
import { type Clock, systemClock } from '../../src/lib/clock.ts'
import { seededRandom } from '../../src/lib/random.ts'
import { type Configuration, type GivenValues, parseConfiguration } from '../../src/model/config.ts'
import { NO_JOURNAL } from '../../src/store/journal.ts'
import { JournaledStore } from '../../src/store/object-store.ts'
import { createRecordingLogger, type RecordingLogger } from './recording-logger.ts'

export interface AdminWorldOptions {
  readonly registrars?: readonly AdminRegistrar[]
  readonly proxy?: Partial<AdminProxy>
  readonly clock?: Clock
  readonly uid?: number
  readonly requestMs?: number
  readonly variables?: Readonly<Record<string, string>>
}

export interface AdminWorld extends AsyncDisposable {
  readonly front: AdminFront
  readonly store: JournaledStore
  readonly logger: RecordingLogger
  /** The port of the n-th address. */
  port(n?: number): number
  attach(): Promise<void>
}

/** A front of the admin API with routes of a test, not attached yet. */
export async function openAdminWorld(flags: GivenValues, options: AdminWorldOptions = {}): Promise<AdminWorld> {
  const logger = createRecordingLogger()
  const store = new JournaledStore({ journal: NO_JOURNAL })
  const front = await openAdminFront({
    config: parseConfiguration({ flags }, []) as Configuration,
    version: '1.2.3',
    store,
    startedAtMs: 0,
    registrars: (options.registrars ?? []).map((registrar) => async () => registrar),
    owner: { uid: options.uid ?? 0, variables: options.variables ?? {} },
    clock: options.clock ?? systemClock,
    ...(options.requestMs === undefined ? {} : { requestMs: options.requestMs }),
    random: seededRandom(1),
    logger,
  })
  return {
    front,
    store,
    logger,
    port: (n = 0) => front.addresses()[n]?.port ?? 0,
    attach: () => front.attach((options.proxy ?? {}) as AdminProxy),
    [Symbol.asyncDispose]: () => front[Symbol.asyncDispose](),
  }
}

export interface Answer {
  readonly code: number
  readonly headers: IncomingMessage['headers']
  readonly text: string
  readonly json: Record<string, unknown>
}

export interface Asking {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Buffer
}

/** Asks once, on a connection of its own; `to` is a port on 127.0.0.1, or the path of a Unix socket. */
export function ask(to: number | string, path: string, { method = 'GET', headers = {}, body }: Asking = {}): Promise<Answer> {
  const at = typeof to === 'number' ? { host: '127.0.0.1', port: to } : { socketPath: to }
  return new Promise((resolve, reject) => {
    const asking = request({ ...at, path, method, headers, agent: false }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk
      })
      response.on('error', reject)
      response.on('end', () => {
        const { statusCode: code = 0, headers } = response
        resolve({
          code,
          headers,
          text,
          get json() {
            return JSON.parse(text) as Answer['json']
          },
        })
      })
    })
    asking.on('error', reject).end(body)
  })
}
