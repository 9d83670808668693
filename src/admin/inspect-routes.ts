import type { FastifyReply, FastifyRequest } from 'fastify'
import { LOG_LEVELS, type LogLevel } from '../observe/logger.ts'
import type { AdminRegistrar } from './front/registrar.ts'
import { failure, sendStatus } from './front/status.ts'
import {
  type Asked,
  isEmpty,
  lastOf,
  parseDrainQuery,
  parseExplainQuery,
  parseSessionQuery,
  type Query,
} from './inspect-query.ts'

/** Everything that people see of a running proxy, and what they do to it by hand: `docs/status.md`. */
export const registerInspection: AdminRegistrar = (app, { proxy, logger, logLevel }) => {
  const { inspect } = proxy

  app.get('/portald/v1/status', (request) => inspect.status(lastOf(queryOf(request)['service'])))

  app.get('/portald/v1/sessions', (request, reply) =>
    answer(parseSessionQuery(queryOf(request)), reply, ({ selection, limit }) => inspect.sessions(selection, limit)),
  )

  app.delete('/portald/v1/sessions', (request, reply) =>
    answer(parseSessionQuery(queryOf(request)), reply, async ({ selection }) => {
      // Whoever wants to end them all can say so with a range of clients.
      if (isEmpty(selection))
        return refuse(reply, 'say which sessions: by id, service, endpoint, client, olderThan, idleLongerThan or bytesOver')
      const killed = await inspect.kill(selection)
      logger.info('session.killed', 'sessions were ended by hand', { ...selection, sessions: killed })
      return { killed }
    }),
  )

  app.get('/portald/v1/explain', (request, reply) =>
    answer(parseExplainQuery(queryOf(request)), reply, (question) => inspect.explain(question)),
  )

  app.get('/portald/v1/drain', (request, reply) =>
    answer(parseDrainQuery(queryOf(request)), reply, (target) => ({ endpoints: inspect.drained(target) })),
  )

  for (const [method, out] of [
    ['PUT', true],
    ['DELETE', false],
  ] as const) {
    app.route({
      method,
      url: '/portald/v1/drain',
      handler: (request, reply) =>
        answer(parseDrainQuery(queryOf(request)), reply, (target) => {
          const endpoints = inspect.drain(target, out)
          const message = out ? 'endpoints were taken out by hand' : 'endpoints were put back by hand'
          logger.info('endpoint.drained', message, { ...target, endpoints: endpoints.length })
          return { endpoints }
        }),
    })
  }

  app.post('/portald/v1/drain/finish', (request, reply) =>
    answer(parseDrainQuery(queryOf(request)), reply, async (target) => {
      const killed = await inspect.finishDrain(target)
      logger.info('session.killed', 'what still ran on drained endpoints was ended by hand', { ...target, sessions: killed })
      return { killed }
    }),
  )

  app.get('/portald/v1/log-level', () => ({ level: logLevel?.level }))

  app.put('/portald/v1/log-level', (request, reply) => {
    const level = lastOf(queryOf(request)['level'])
    if (!logLevel) return refuse(reply, 'this log belongs to the program that portald is a part of')
    if (!isLevel(level)) return refuse(reply, `level: must be ${LOG_LEVELS.join(', ')}`)
    const before = logLevel.level
    logLevel.level = level
    logger.warn('log.level', `was ${before}, is ${level}`, { before, level })
    return { level, before }
  })
}

function queryOf(request: FastifyRequest): Query {
  return request.query as Query
}

function answer<T, A>(asked: Asked<T>, reply: FastifyReply, make: (value: T) => A): A | FastifyReply {
  return 'wrong' in asked ? refuse(reply, asked.wrong) : make(asked.value)
}

function refuse(reply: FastifyReply, message: string): FastifyReply {
  return sendStatus(reply, failure(400, message))
}

function isLevel(text: string | undefined): text is LogLevel {
  return (LOG_LEVELS as readonly string[]).includes(text ?? '')
}
