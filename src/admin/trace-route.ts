import type { AdminRegistrar } from './front/registrar.ts'
import { failure, sendStatus } from './front/status.ts'
import { parseTraceQuery, type Query } from './inspect-query.ts'

/** `GET /portald/v1/trace`: new sessions of a Service, step by step, a line of JSON each, until the client leaves. */
export const registerTrace: AdminRegistrar = (app, { proxy, streams }) => {
  app.get('/portald/v1/trace', (request, reply) => {
    const asked = parseTraceQuery(request.query as Query)
    if ('wrong' in asked) return sendStatus(reply, failure(400, asked.wrong))
    let write: ((text: string) => boolean) | undefined
    const trace = proxy.inspect.trace(asked.value, (steps) => {
      write?.(steps.map((step) => `${JSON.stringify(step)}\n`).join(''))
    })
    if (trace === 'nobody')
      return sendStatus(reply, failure(404, `${asked.value.service}: there is no such Service, or it has no address`))
    if (trace === 'too-many') return sendStatus(reply, failure(429, 'too many traces are under way; end one, or try again later'))
    const stream = streams.open(request, reply, 'application/x-ndjson')
    if (!stream) {
      trace[Symbol.dispose]()
      return reply
    }
    write = (text) => stream.write(text)
    if (stream.signal.aborted) trace[Symbol.dispose]()
    else stream.signal.addEventListener('abort', () => trace[Symbol.dispose](), { once: true })
    return reply
  })
}
