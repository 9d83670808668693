import type { FastifyReply, FastifyRequest } from 'fastify'
import { dump } from 'js-yaml'
import { parseOptionsOf } from '../../model/parse-options.ts'
import type { AdminDeps, AdminRegistrar } from '../front/registrar.ts'
import { PLAIN_HEADERS } from '../front/status.ts'
import { API_SOURCE } from '../object-owner.ts'
import type { KubeContext } from './context.ts'
import { createInsight } from './insight.ts'
import { answerKube, refusalAnswer, type WholeAnswer, YAML_TYPE } from './kube-api.ts'
import { type Mirror, openMirror } from './mirror.ts'
import { ensureNamespace } from './prepare.ts'
import { badRequest } from './refusal.ts'
import { keepStatus } from './status-keeper.ts'

/** What a header can say, and how many of them go with an answer. */
const LONGEST_WARNING = 500
const MOST_WARNINGS = 20

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
  await ensureNamespace(context, 'default')
  const mirror = openMirror({
    store,
    clock,
    logger,
    api: API_SOURCE,
    startedAtMs: deps.startedAtMs,
    read: () => proxy.read().sources,
  })
  const keeper = keepStatus(store, insight, clock, logger)
  app.addHook('onClose', async () => {
    mirror[Symbol.dispose]()
    keeper[Symbol.dispose]()
  })
  // Bodies are read by rules of their own, whatever they say they are.
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body))
  for (const url of PATHS) app.all(url, (request, reply) => answer(context, mirror, deps, request, reply))
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
  if (headers['content-encoding']) return send(reply, refusalAnswer(badRequest('a body must not be compressed')))
  const answered = await answerKube(context, version, {
    method: method === 'HEAD' ? 'GET' : method,
    url,
    accept: headers.accept,
    contentType: headers['content-type'],
    userAgent: headers['user-agent'] ?? '',
    bytes,
  })
  if (!('watch' in answered)) return send(reply, answered)
  const stream = streams.open(request, reply, 'application/json')
  if (stream) answered.watch(stream)
  return reply
}

function send(reply: FastifyReply, answered: WholeAnswer): FastifyReply {
  const { code, body, contentType, warnings, retryAfterSeconds } = answered
  reply.code(code).headers({ ...PLAIN_HEADERS, 'content-type': contentType })
  if (warnings.length > 0) reply.header('warning', warnings.slice(0, MOST_WARNINGS).map(showWarning))
  if (retryAfterSeconds !== undefined) reply.header('retry-after', String(retryAfterSeconds))
  if (Buffer.isBuffer(body)) return reply.send(body)
  return reply.send(Buffer.from(contentType === YAML_TYPE ? dump(body) : `${JSON.stringify(body)}\n`))
}

/** RFC 7234: quoted, and of characters that a header can carry. */
function showWarning(text: string): string {
  const plain = text.replaceAll(/[^\x20-\x7e]/g, '?').replaceAll(/["\\]/g, '\\$&')
  return `299 - "${plain.slice(0, LONGEST_WARNING).replace(/\\$/, '')}"`
}
