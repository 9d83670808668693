import { constants, open } from 'node:fs'
import { promisify } from 'node:util'
import type { Clock } from '../lib/clock.ts'
import { isErrno, messageOf, ProxyError } from '../lib/errors.ts'
import type { AccessFormat } from '../model/access-format.ts'
import type { SessionRecord } from '../model/session.ts'
import { accessLine } from './access-line.ts'
import { LineWriter } from './line-writer.ts'
import type { Logger } from './logger.ts'
import { openStandardFd } from './standard-fd.ts'

/** One line per ended session, written off the hot path. */
export interface AccessLog extends AsyncDisposable {
  /** Takes one session; never throws and never waits. */
  append(record: SessionRecord): void
  /** Opens the path again and goes on there, for a file that was moved away. Keeps the old one if that fails. */
  reopen(): Promise<void>
  /** Sessions whose line was lost because the destination failed or was too slow. */
  dropped(): number
}

export interface AccessLogOptions {
  /** A path, appended to and made if need be, or `-` for stdout. */
  readonly destination: string
  /** JSON when left out. */
  readonly format?: AccessFormat
  readonly clock: Clock
  readonly logger: Logger
  /** How long lines wait to be written together. */
  readonly batchMs?: number
  /** What may wait in memory for a destination that is slow or failing. */
  readonly longestBacklogBytes?: number
}

/** How long disposing waits for a destination that does not take the last lines. */
const CLOSE_MS = 1000

/** Opens the destination; throws a `ProxyError` that says what to do when it cannot be opened. */
export async function openAccessLog(options: AccessLogOptions): Promise<AccessLog> {
  const { destination, clock, logger } = options
  const writer = new LineWriter({
    fd: destination === '-' ? openStandardFd(1) : await openForAppend(destination),
    clock,
    batchMs: options.batchMs ?? 250,
    longestBacklogBytes: options.longestBacklogBytes ?? 8 << 20,
    onTrouble: (error) =>
      error === undefined
        ? logger.warn('access-log.failed', 'access log is read or written too slowly; lines are dropped', { key: destination })
        : logger.error('access-log.failed', 'access log cannot be written; it is tried again', { key: destination, error }),
    onRecovered: () =>
      logger.info('access-log.recovered', 'access log is written again', { key: destination, dropped: writer.dropped }),
  })
  logger.info('access-log.opened', 'access log is written', { key: destination })
  return {
    append: (record) => writer.write(accessLine(record, options.format)),
    async reopen() {
      if (destination === '-') return
      try {
        writer.replace(await openForAppend(destination))
        logger.info('access-log.opened', 'access log is opened again', { key: destination })
      } catch (error) {
        logger.error('access-log.failed', 'access log cannot be opened again; the old file stays in use', {
          key: destination,
          error,
        })
      }
    },
    dropped: () => writer.dropped,
    [Symbol.asyncDispose]: () => writer.end(CLOSE_MS),
  }
}

const openFd = promisify(open)

async function openForAppend(path: string): Promise<number> {
  try {
    // Non-blocking, because opening a named pipe that nobody reads would otherwise wait for a reader for ever.
    return await openFd(path, constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NONBLOCK, 0o640)
  } catch (error) {
    const reason = isErrno(error, 'ENXIO') ? 'nobody reads this pipe' : messageOf(error)
    throw new ProxyError('E_CONFIG', 'config', `access log "${path}": ${reason}; choose a file that can be written`, error)
  }
}
