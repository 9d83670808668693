import type { FastifyError, FastifyInstance } from 'fastify'
import { type AdminDeps, type AdminRegistrar, MOST_BODY_BYTES } from './registrar.ts'
import { failure, sendStatus } from './status.ts'

/** Routes to be loaded when the first request comes. */
export type LazyRegistrar = () => Promise<AdminRegistrar>

/** Loads fastify and all routes, and makes an application of them. */
export async function buildApplication(registrars: readonly LazyRegistrar[], deps: AdminDeps): Promise<FastifyInstance> {
  const { fastify } = await import('fastify')
  const app = fastify({ bodyLimit: MOST_BODY_BYTES, routerOptions: { maxParamLength: 512 } })
  app.setNotFoundHandler((request, reply) =>
    sendStatus(reply, failure(404, `there is nothing at ${request.method} ${pathOf(request.url)}`)),
  )
  app.setErrorHandler((error: FastifyError, request, reply) => {
    const code = error.statusCode ?? 500
    if (code < 500) return sendStatus(reply, failure(code, error.message))
    const key = `${request.method} ${request.routeOptions.url ?? ''}`
    deps.logger.error('admin.failed', 'an answer could not be made', { key, error })
    return sendStatus(reply, failure(code, 'an answer could not be made; the log says why'))
  })
  for (const load of registrars) {
    const register = await load()
    app.register(async (scope) => register(scope, deps))
  }
  await app.ready()
  return app
}

/** Without what was asked, which may be long or secret. */
function pathOf(url: string): string {
  return (url.split('?', 1)[0] as string).slice(0, 200)
}
