import type { FastifyReply, FastifyRequest } from 'fastify'
import type { AdminRegistrar } from '../front/registrar.ts'
import { failure, sendStatus } from '../front/status.ts'
import { lastOf, type Query } from '../inspect-query.ts'
import { type PageFile, readPageFiles } from './page-files.ts'
import { createSampler } from './sampler.ts'

/** The page runs its own files and asks its own server; nothing else is loaded, run, framed or sent anywhere. */
const PAGE_HEADERS = {
  'content-security-policy': [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ].join('; '),
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  // Kept, but asked for each time: what is shown fits the process that runs.
  'cache-control': 'no-cache',
}

/** The page at `/ui/`, and what only it asks: who may do what, and rates of the last quarter of an hour. */
export const registerUi: AdminRegistrar = (app, { proxy, clock, config, callerOf }) => {
  const files = readPageFiles()
  const sampler = createSampler(() => proxy.inspect.status(), clock)
  app.addHook('onClose', () => sampler[Symbol.dispose]())

  app.get('/ui', (_request, reply) => reply.redirect('/ui/', 308))
  app.get('/ui/', (request, reply) => sendFile(files.get('page.html'), request, reply))
  app.get('/ui/:name', (request, reply) => sendFile(files.get((request.params as { name: string }).name), request, reply))

  app.get('/portald/v1/caller', (request) => {
    const { name, mayWrite } = callerOf(request)
    return { name, mayWrite: mayWrite && !config.adminAccess.readOnly }
  })

  app.get('/portald/v1/history', (request) => sampler.read(lastOf((request.query as Query)['service'])))
}

function sendFile(file: PageFile | undefined, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  if (!file) return sendStatus(reply, failure(404, 'the page has no such file'))
  reply.headers({ ...PAGE_HEADERS, etag: file.etag })
  if (request.headers['if-none-match'] === file.etag) return reply.code(304).send()
  return reply.type(file.type).send(file.body)
}
