import { setImmediate as nextTurn } from 'node:timers/promises'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Clock, Timer } from '../../lib/clock.ts'
import { failure, PLAIN_HEADERS, sendStatus } from './status.ts'

/** An answer that goes on, such as a watch. */
export interface AdminStream {
  /** Sends some text now. A client that does not keep up is cut off, and nothing is kept for it then.
   *  Returns false when the stream has ended: nothing written any more gets there. */
  write(text: string): boolean
  /** Resolves in another turn, when the client has taken most of what was written, or the stream has ended: for who has more
   *  to say than may wait. */
  room(): Promise<void>
  /** Ends the answer properly. */
  end(): void
  /** Aborts when the stream has ended, whoever ended it. */
  readonly signal: AbortSignal
}

export interface AdminStreams {
  /** Begins an answer that goes on; the reply is taken over. Undefined when there are too many already: the request was
   *  answered with 429. */
  open(request: FastifyRequest, reply: FastifyReply, contentType: string): AdminStream | undefined
  /** How many there are now. */
  readonly size: number
}

/** Far more than people and controllers need. */
const MOST_STREAMS = 256
/** What may wait for one client; with the most streams that is 256 MB at the very worst. */
const MOST_WAITING_BYTES = 1024 * 1024
/** How long what waits may stay where it is. */
const STALLED_MS = 30_000

/** Makes the streams of one process. */
export function createStreams(clock: Clock): AdminStreams & { endAll(): void } {
  const open = new Set<AdminStream>()
  return {
    get size() {
      return open.size
    },
    open(request, reply, contentType) {
      if (open.size >= MOST_STREAMS) {
        sendStatus(reply.header('retry-after', '1'), failure(429, `${MOST_STREAMS} watches are open already; try again later`))
        return undefined
      }
      reply.hijack()
      const response = reply.raw
      const ended = new AbortController()
      let stalled: Timer | undefined
      let drained: PromiseWithResolvers<void> | undefined
      const cut = () => response.destroy()
      // Nothing may happen for hours, and that is no failure.
      request.raw.socket.setTimeout(0)
      response.writeHead(200, { ...PLAIN_HEADERS, 'content-type': contentType })
      response.flushHeaders()
      const stream: AdminStream = {
        signal: ended.signal,
        write(text) {
          if (ended.signal.aborted) return false
          if (response.write(text)) return true
          if (response.writableLength > MOST_WAITING_BYTES) {
            cut()
            return false
          }
          stalled ??= clock.after(STALLED_MS, cut)
          return true
        },
        async room() {
          await nextTurn()
          if (ended.signal.aborted || !response.writableNeedDrain) return
          drained ??= Promise.withResolvers<void>()
          await drained.promise
        },
        end: () => void response.end(),
      }
      response.on('drain', () => {
        stalled?.[Symbol.dispose]()
        stalled = undefined
        drained?.resolve()
        drained = undefined
      })
      response.on('error', cut)
      response.on('close', () => {
        stalled?.[Symbol.dispose]()
        open.delete(stream)
        ended.abort()
        drained?.resolve()
      })
      open.add(stream)
      return stream
    },
    endAll() {
      for (const stream of open) stream.end()
    },
  }
}
