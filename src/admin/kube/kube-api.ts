import { chooseForm } from './accept.ts'
import type { KubeContext } from './context.ts'
import { deleteCollection, deleteObject } from './deletes.ts'
import { aggregated, coreVersions, groupList, groupOf, resourceList } from './discovery.ts'
import { openApiDocument, openApiIndex } from './openapi.ts'
import { openApiV2, openApiV2Protobuf } from './openapi-v2.ts'
import { refused } from './outcome.ts'
import { getObject, listObjects } from './reads.ts'
import { methodNotAllowed, noSuchPath, notAcceptable, Refusal } from './refusal.ts'
import { createRenderer, type Renderer } from './render.ts'
import { type Options, parseOptions, parseTarget, type Target } from './request.ts'
import { parseSelectors } from './selectors.ts'
import { type WatchStream, watchObjects } from './watch.ts'
import { createObject, patchOne, replaceObject, type Written } from './writes.ts'

/** A request, whatever brought it. */
export interface KubeRequest {
  readonly method: string
  /** With its query. */
  readonly url: string
  readonly accept: string | undefined
  readonly contentType: string | undefined
  readonly userAgent: string
  readonly bytes: Uint8Array
}

/** An answer that is there as a whole. */
export interface WholeAnswer {
  readonly code: number
  /** Bytes go as they are, all else as the content type says. */
  readonly body: object | Uint8Array
  readonly contentType: string
  readonly warnings: readonly string[]
  readonly retryAfterSeconds?: number | undefined
}

/** What to answer: the whole, or something to be written as it comes. */
export type KubeAnswer = WholeAnswer | { readonly watch: (stream: WatchStream) => void }

const JSON_TYPE = 'application/json'
export const YAML_TYPE = 'application/yaml'
const V2_PROTOBUF = 'application/com.github.proto-openapi.spec.v2@v1.0+protobuf'
/** The API that this one is like. */
const LIKE_MAJOR = '1'
const LIKE_MINOR = '33'

/** Answers requests in the dialect of a Kubernetes API server. Whoever asks was let in before. */
export async function answerKube(context: KubeContext, version: string, request: KubeRequest): Promise<KubeAnswer> {
  const url = new URL(request.url, 'http://localhost')
  const steps = url.pathname.split('/').slice(1).map(decodeStep)
  if (steps.at(-1) === '') steps.pop()
  const answer = documentAt(steps, request, version) ?? (await objectsAt(context, steps, url.searchParams, request))
  return answer instanceof Refusal ? refusalAnswer(answer) : answer
}

function decodeStep(step: string): string {
  try {
    return decodeURIComponent(step)
  } catch {
    return step
  }
}

/** A refusal as an answer. */
export function refusalAnswer(refusal: Refusal): WholeAnswer {
  const { code, details } = refusal
  return { code, body: refusal.status(), contentType: JSON_TYPE, warnings: [], retryAfterSeconds: details?.retryAfterSeconds }
}

const plain = (body: object | Uint8Array, contentType = JSON_TYPE): WholeAnswer => ({
  code: 200,
  body,
  contentType,
  warnings: [],
})

/** What is the same whatever objects there are; undefined: it is about objects. */
function documentAt(steps: readonly string[], request: KubeRequest, version: string): KubeAnswer | Refusal | undefined {
  const [root, first, second, ...rest] = steps
  const document = (make: () => object | undefined) => {
    if (request.method !== 'GET' && request.method !== 'HEAD') return methodNotAllowed()
    const body = make()
    return body ? plain(body) : noSuchPath()
  }
  if (root === 'version' && steps.length === 1) return document(() => versionOf(version))
  if (root === 'openapi' && first === 'v3') {
    const name = [second, ...rest].join('/')
    return document(() => (name === '' ? openApiIndex() : openApiDocument(name)))
  }
  if ((root === 'openapi' && first === 'v2') || root === 'swagger-2.0.0.pb-v1') return documentation(request, root)
  if (root !== 'api' && root !== 'apis') return noSuchPath()
  if (first === undefined) return discovery(request, root === 'api')
  if (root === 'api' && second === undefined) return document(() => resourceList('', first))
  if (root === 'apis' && second === undefined) return document(() => groupOf(first))
  if (root === 'apis' && rest.length === 0) return document(() => resourceList(first, second ?? ''))
  return undefined
}

function versionOf(version: string): object {
  return {
    major: LIKE_MAJOR,
    minor: LIKE_MINOR,
    gitVersion: `v${LIKE_MAJOR}.${LIKE_MINOR}.0+portald-${version}`,
    gitCommit: '',
    gitTreeState: '',
    buildDate: '1970-01-01T00:00:00Z',
    goVersion: '',
    compiler: '',
    platform: `${process.platform}/${process.arch}`,
  }
}

function discovery({ accept }: KubeRequest, core: boolean): KubeAnswer | Refusal {
  const form = chooseForm(accept)
  if (refused(form)) return form
  const wanted = form.as.startsWith('discovery/') ? (form.as.slice('discovery/'.length) as 'v2' | 'v2beta1') : undefined
  if (!wanted) return plain(core ? coreVersions() : groupList())
  return plain(aggregated(core, wanted), `${JSON_TYPE};g=apidiscovery.k8s.io;v=${wanted};as=APIGroupDiscoveryList`)
}

function documentation({ accept = '' }: KubeRequest, root: string): KubeAnswer | Refusal {
  if (root !== 'openapi' || accept.includes('protobuf')) return plain(openApiV2Protobuf(), V2_PROTOBUF)
  return plain(openApiV2())
}

async function objectsAt(
  context: KubeContext,
  steps: readonly string[],
  query: URLSearchParams,
  request: KubeRequest,
): Promise<KubeAnswer | Refusal> {
  const [root, ...path] = steps
  const [group, version, rest] = root === 'api' ? ['', path[0], path.slice(1)] : [path[0], path[1], path.slice(2)]
  const target = parseTarget(group ?? '', version ?? '', rest)
  if (refused(target)) return target
  const options = parseOptions(query, request.userAgent)
  if (refused(options)) return options
  const form = chooseForm(request.accept)
  if (refused(form)) return form
  if (form.as.startsWith('discovery/')) return notAcceptable(JSON_TYPE)
  const renderer = createRenderer(context, target.kind, form, options.includeObject)
  const answer = await objectAnswer(context, target, options, renderer, request)
  if (refused(answer) || 'watch' in answer) return answer
  const { deprecation } = target.kind
  return {
    ...answer,
    contentType: form.yaml ? YAML_TYPE : answer.contentType,
    warnings: deprecation ? [deprecation, ...answer.warnings] : answer.warnings,
  }
}

async function objectAnswer(
  context: KubeContext,
  target: Target,
  options: Options,
  renderer: Renderer,
  request: KubeRequest,
): Promise<KubeAnswer | Refusal> {
  const { method } = request
  if (target.name === undefined) {
    if (method === 'GET')
      return options.watch ? watching(context, target, options, renderer) : listing(context, target, options, renderer)
    if (method === 'POST') return written(await createObject(context, target, options, request), renderer)
    if (method !== 'DELETE') return methodNotAllowed()
    const gone = await deleteCollection(context, target, options, request)
    return refused(gone) ? gone : plain(renderer.list(gone, { resourceVersion: String(context.store.resourceVersion) }))
  }
  if (method === 'GET') {
    if (options.watch) return watching(context, target, nameOnly(options, target.name), renderer)
    const object = getObject(context, target)
    return refused(object) ? object : plain(renderer.one(object))
  }
  if (method === 'PUT') return written(await replaceObject(context, target, options, request), renderer)
  if (method === 'PATCH') return written(await patchOne(context, target, options, request), renderer)
  if (method !== 'DELETE' || target.subresource !== '') return methodNotAllowed()
  const gone = await deleteObject(context, target, options, request)
  return refused(gone) ? gone : plain(gone)
}

function nameOnly(options: Options, name: string): Options {
  const { fieldSelector } = options
  const own = `metadata.name=${name}`
  return { ...options, fieldSelector: fieldSelector ? `${fieldSelector},${own}` : own }
}

function listing(context: KubeContext, target: Target, options: Options, renderer: Renderer): KubeAnswer | Refusal {
  const list = listObjects(context, target, options, renderer)
  return refused(list) ? list : plain(list)
}

function watching(context: KubeContext, target: Target, options: Options, renderer: Renderer): KubeAnswer | Refusal {
  const selector = parseSelectors(options.labelSelector, options.fieldSelector, target.kind.resource)
  if (refused(selector)) return selector
  return { watch: (stream) => watchObjects(context, target, options, selector, renderer, stream) }
}

function written(outcome: Written | Refusal, renderer: Renderer): KubeAnswer | Refusal {
  if (refused(outcome)) return outcome
  const { object, created, warnings } = outcome
  return { code: created ? 201 : 200, body: renderer.one(object), contentType: JSON_TYPE, warnings }
}
