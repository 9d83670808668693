import { parentPort, workerData } from 'node:worker_threads'
import { systemClock } from '../lib/clock.ts'
import { messageOf, ProxyError } from '../lib/errors.ts'
import { SqliteFile } from './sqlite-file.ts'
import type { StoreReply, StoreRequest, StoreSettings } from './store-messages.ts'

const { path, firstVersion } = workerData as StoreSettings
const file = createFileHolder()

/** The store's thread: a request in, a reply out. It opens its file with the first request, and with the next one if that
 *  failed. */
parentPort?.on('message', (request: StoreRequest) => {
  try {
    parentPort?.postMessage(answer(request))
  } catch (error) {
    const origin = error instanceof ProxyError && error.origin === 'config' ? 'config' : 'system'
    // SQLite's own words say what is wrong, and not what to do.
    const fix = error instanceof ProxyError ? '' : '; see that the disk of --state-dir has room and takes writes'
    parentPort?.postMessage({ kind: 'failed', reason: `${messageOf(error)}${fix}`, origin } satisfies StoreReply)
  }
})

function answer(request: StoreRequest): StoreReply {
  switch (request.kind) {
    case 'content': {
      const opened = file.open()
      return { kind: 'content', content: opened.takeContent(), damage: opened.damage }
    }
    case 'version':
      return { kind: 'version', version: file.open().version }
    case 'commit':
      file.open().commit(request.batch)
      return { kind: 'done' }
    case 'close':
      file.close()
      return { kind: 'done' }
  }
}

function createFileHolder() {
  let opened: SqliteFile | undefined
  return {
    open() {
      opened ??= SqliteFile.open(path, firstVersion, systemClock.wall())
      return opened
    },
    close() {
      opened?.[Symbol.dispose]()
      opened = undefined
    },
  }
}
