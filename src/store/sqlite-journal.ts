import { Worker } from 'node:worker_threads'
import { messageOf, ProxyError } from '../lib/errors.ts'
import type { Journal, JournalBatch, JournalContent } from './journal.ts'
import type { Damage } from './sqlite-file.ts'
import type { StoreReply, StoreRequest, StoreSettings } from './store-messages.ts'

/** A journal in a file. Its thread starts when it is needed. */
export interface SqliteJournal extends Journal {
  /** What is in the file. To be asked for before anything is written, if at all.
   *  @throws ProxyError E_STORE when the file cannot be had. */
  load(): Promise<{ readonly content: JournalContent; readonly damage: Damage | undefined }>
}

const WORKER_URL = new URL(import.meta.url.endsWith('.ts') ? './store-worker.ts' : './store-worker.js', import.meta.url)

interface Death {
  readonly kind: 'died'
  readonly reason: string
}

/** Opens one; nothing is touched before the first `load` or `commit`. A thread that dies is replaced, and what it was about
 *  to write is written then, once. */
export function openSqliteJournal(settings: StoreSettings): SqliteJournal {
  let worker: Worker | undefined
  let answer: ((reply: StoreReply | Death) => void) | undefined
  /** One request at a time. */
  let queue: Promise<unknown> = Promise.resolve()

  function start(): Worker {
    let reason = 'its thread ended'
    const started = new Worker(WORKER_URL, { execArgv: [], workerData: settings })
    started.on('message', (reply: StoreReply) => answer?.(reply))
    started.on('error', (error) => {
      reason = messageOf(error)
    })
    started.on('exit', () => {
      if (worker === started) worker = undefined
      answer?.({ kind: 'died', reason })
    })
    return started
  }

  function ask(request: StoreRequest): Promise<StoreReply | Death> {
    const asking = queue.then(() => {
      worker ??= start()
      const asked = worker
      // Whoever waits for an answer keeps the process alive.
      asked.ref()
      return new Promise<StoreReply | Death>((resolve) => {
        answer = (reply) => {
          answer = undefined
          asked.unref()
          resolve(reply)
        }
        asked.postMessage(request)
      })
    })
    queue = asking
    return asking
  }

  async function commit(batch: JournalBatch): Promise<void> {
    const reply = await ask({ kind: 'commit', batch })
    if (reply.kind !== 'died') return void checked(reply, 'done')
    // It may have died before or after.
    const { version } = checked(await ask({ kind: 'version' }), 'version')
    if (version === batch.version) return
    checked(await ask({ kind: 'commit', batch }), 'done')
  }

  return {
    async load() {
      const { content, damage } = checked(await ask({ kind: 'content' }), 'content')
      return { content, damage }
    },
    commit,
    async [Symbol.asyncDispose]() {
      if (worker) await ask({ kind: 'close' })
      const ended = worker
      worker = undefined
      await ended?.terminate()
    },
  }
}

function checked<Kind extends StoreReply['kind']>(reply: StoreReply | Death, kind: Kind): Extract<StoreReply, { kind: Kind }> {
  if (reply.kind === kind) return reply as Extract<StoreReply, { kind: Kind }>
  const failed =
    reply.kind === 'failed' ? reply : { origin: 'system' as const, reason: 'reason' in reply ? reply.reason : reply.kind }
  throw new ProxyError('E_STORE', failed.origin, `objects of the admin API: ${failed.reason}`)
}
