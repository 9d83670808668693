import type { FastifyReply, FastifyRequest } from 'fastify'
import { dump } from 'js-yaml'
import type { Clock } from '../../lib/clock.ts'
import { ProxyError } from '../../lib/errors.ts'
import { parseOptionsOf } from '../../model/parse-options.ts'
import type { AdminDeps, AdminRegistrar } from '../front/registrar.ts'
import { PLAIN_HEADERS } from '../front/status.ts'
import { API_SOURCE } from '../object-owner.ts'
import type { KubeContext } from './context.ts'
import { createInsight } from './insight.ts'
import { jsonInTurns } from './json-in-turns.ts'
import { answerKube, refusalAnswer, type WholeAnswer, YAML_TYPE } from './kube-api.ts'
import { type Mirror, openMirror } from './mirror.ts'
import { ensureNamespace } from './prepare.ts'
import { badRequest, unavailable } from './refusal.ts'
import { keepStatus } from './status-keeper.ts'

/** What a header can say, and how many of them go with an answer. */
const LONGEST_WARNING = 500
const MOST_WARNINGS = 20

const TEXT_HEADERS = { ...PLAIN_HEADERS, 'content-type': 'text/plain; charset=utf-8' }

const PATHS = ['/api', '/api/*', '/apis', '/apis/*', '/openapi/*', '/version', '/swagger-2.0.0.pb-v1']

/** The dialect of a Kubernetes API server: Services, their endpoints, and namespaces. */
export const registerKube: AdminRegistrar = async (app, deps) => {
  const { store, config, proxy, clock, random, logger } = deps
  const insight = createInsight(proxy)
  const context: KubeContext = {
    store,
    clock,
    random,
    insight,
    parse: parseOptionsOf(config),
    clusterIpRanges: config.serviceClusterIpRanges,
    nodePortRange: config.serviceNodePortRange,
  }
  const stack = new DisposableStack()
  let mirror: Promise<Mirror> | undefined
  /** Begins to keep the store up with everything else: with the first request for objects, for nobody else looks there. */
  async function begin(): Promise<Mirror> {
    // A host that lets nothing be written can still be looked at.
    await ensureNamespace(context, 'default').catch((error) => {
      logger.warn('admin.failed', 'the namespace default could not be made; it comes with the first object', { error })
    })
    const { startedAtMs } = deps
    const read = () => proxy.read().sources
    stack.use(keepStatus(store, insight, clock, logger))
    return stack.use(openMirror({ store, clock, logger, api: API_SOURCE, startedAtMs, read }))
  }
  app.addHook('onClose', async () => {
    await mirror
    stack.dispose()
  })
  // Bodies are read by rules of their own, whatever they say they are.
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body))
  app.get('/livez', (_request, reply) => reply.headers(TEXT_HEADERS).send('ok'))
  app.get('/healthz', (_request, reply) => reply.headers(TEXT_HEADERS).send('ok'))
  app.get('/readyz', (_request, reply) => {
    const ready = proxy.read().synced
    return reply
      .code(ready ? 200 : 503)
      .headers(TEXT_HEADERS)
      .send(ready ? 'ok' : 'some objects were not read yet')
  })
  for (const url of PATHS) {
    app.all(url, async (request, reply) => {
      mirror ??= begin()
      return await answer(context, await mirror, deps, request, reply)
    })
  }
}

async function answer(
  context: KubeContext,
  mirror: Mirror,
  { version, streams }: AdminDeps,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  await mirror.settle()
  const { headers, method, url, body } = request
  // What this server does not speak is said in a word, before anything else about the body.
  const bytes = Buffer.isBuffer(body) ? body : Buffer.alloc(0)
  if (headers['content-encoding'])
    return await send(reply, refusalAnswer(badRequest('a body must not be compressed')), context.clock)
  const asked = {
    method: method === 'HEAD' ? 'GET' : method,
    url,
    accept: headers.accept,
    contentType: headers['content-type'],
    userAgent: headers['user-agent'] ?? '',
    bytes,
  }
  const answered = await answerKube(context, version, asked).catch((error: unknown) => {
    // Nothing of it is in force, and it may go well in a moment: that is no error of ours.
    if (error instanceof ProxyError && error.code === 'E_STORE') return refusalAnswer(unavailable(error.message))
    throw error
  })
  if (!('watch' in answered)) return await send(reply, answered, context.clock)
  const stream = streams.open(request, reply, 'application/json')
  if (stream) answered.watch(stream)
  return reply
}

async function send(reply: FastifyReply, answered: WholeAnswer, clock: Clock): Promise<FastifyReply> {
  const { code, body, contentType, warnings, retryAfterSeconds } = answered
  reply.code(code).headers({ ...PLAIN_HEADERS, 'content-type': contentType })
  if (warnings.length > 0) reply.header('warning', warnings.slice(0, MOST_WARNINGS).map(showWarning))
  if (retryAfterSeconds !== undefined) reply.header('retry-after', String(retryAfterSeconds))
  if (Buffer.isBuffer(body)) return reply.send(body)
  return reply.send(contentType === YAML_TYPE ? Buffer.from(dump(body)) : await jsonInTurns(body, clock))
}

/** RFC 7234: quoted, and of characters that a header can carry. */
function showWarning(text: string): string {
  const plain = text.replaceAll(/[^\x20-\x7e]/g, '?').replaceAll(/["\\]/g, '\\$&')
  return `299 - "${plain.slice(0, LONGEST_WARNING).replace(/\\$/, '')}"`
}
