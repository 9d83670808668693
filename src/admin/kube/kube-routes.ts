import { dump } from 'js-yaml'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { ProxyError } from '../../lib/errors.ts'
import { parseOptionsOf } from '../../model/parse-options.ts'
import type { AdminDeps, AdminRegistrar } from '../front/registrar.ts'
import { PLAIN_HEADERS } from '../front/status.ts'
import type { KubeContext } from './context.ts'
import { timestamp } from './context.ts'
import { createInsight } from './insight.ts'
import { answerKube, type KubeAnswer, refusalAnswer, YAML_TYPE } from './kube-api.ts'
import { createMirror } from './mirror.ts'
import { Refusal } from './refusal.ts'
import { keepStatus } from './status-keeper.ts'

/** The source of this API's own objects. */
export const API_SOURCE = 'api'
/** How often the objects of files and clusters are looked at while nobody asks. */
const MIRROR_EVERY_MS = 250
/** What a header can say. */
const LONGEST_WARNING = 500

const PATHS = ['/api', '/api/*', '/apis', '/apis/*', '/openapi/*', '/version', '/swagger-2.0.0.pb-v1']

/** The dialect of a Kubernetes API server: Services, their endpoints, and namespaces. */
export const registerKube: AdminRegistrar = async (app, deps) => {
  const { store, config, proxy, clock, random, logger } = deps
  const context: KubeContext = {
    store,
    clock,
    random,
    parse: parseOptionsOf(config),
    clusterIpRanges: config.serviceClusterIpRanges,
    nodePortRange: config.serviceNodePortRange,
    insight: createInsight(proxy),
  }
  const startedAt = `${new Date(deps.startedAtMs).toISOString().slice(0, 19)}Z`
  const mirror = createMirror(store, () => proxy.read().sources, API_SOURCE, startedAt)
  await ensureDefaultNamespace(context)
  let mirroring = clock.after(MIRROR_EVERY_MS, follow)
  function follow(): void {
    mirror
      .settle()
      .catch((error) => logger.warn('admin.failed', 'objects of files and clusters cannot be shown; trying again', { error }))
      .finally(() => {
        mirroring = clock.after(MIRROR_EVERY_MS, follow)
      })
  }
  const keeper = keepStatus(store, context.insight, clock, logger)
  app.addHook('onClose', async () => {
    mirroring[Symbol.dispose]()
    keeper[Symbol.dispose]()
  })

  // Bodies are read by their own rules, whatever they say they are.
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body))
  for (const url of PATHS) app.all(url, (request, reply) => answer(context, mirror, deps, request, reply))
}
