/** One version of one kind, as an API server serves it. */
export interface ApiKind {
  readonly kind: string
  readonly apiVersion: string
  /** The last part of its path. */
  readonly resource: string
  readonly namespaced: boolean
}

/** What is followed: one kind of object, in whichever of its forms the server has. */
export interface WatchedKind {
  readonly name: 'services' | 'endpoints' | 'node'
  /** The best one first; a server that answers 404 to one is asked for the next. */
  readonly forms: readonly ApiKind[]
  /** What every request for it says. */
  readonly selectors: Readonly<Record<string, string>>
  /** Whether nothing is served before it was read. Without it, a server that refuses it is served all the same. */
  readonly required: boolean
}

/** Which objects to follow. */
export interface ClusterScope {
  /** Undefined: all. */
  readonly namespace: string | undefined
  /** Of Services, as Kubernetes writes them; empty: all. */
  readonly labelSelector: string
  readonly nodeName: string
  /** Follow Services that name this proxy instead of those that name none. */
  readonly proxyName?: string | undefined
}

/** What kube-proxy does not ask for, either. */
const NOT_HEADLESS = '!service.kubernetes.io/headless'
const PROXY_NAME = 'service.kubernetes.io/service-proxy-name'

const SERVICE: ApiKind = { kind: 'Service', apiVersion: 'v1', resource: 'services', namespaced: true }
const SLICE: ApiKind = {
  kind: 'EndpointSlice',
  apiVersion: 'discovery.k8s.io/v1',
  resource: 'endpointslices',
  namespaced: true,
}
const OLD_SLICE: ApiKind = { ...SLICE, apiVersion: 'discovery.k8s.io/v1beta1' }
const ENDPOINTS: ApiKind = { kind: 'Endpoints', apiVersion: 'v1', resource: 'endpoints', namespaced: true }
const NODE: ApiKind = { kind: 'Node', apiVersion: 'v1', resource: 'nodes', namespaced: false }

/** Services, their endpoints, and the Node this process runs on. Where there are slices nobody needs Endpoints: the
 *  cluster mirrors those that people write. */
export function watchedKinds({ labelSelector, nodeName, proxyName }: ClusterScope): readonly WatchedKind[] {
  const noProxy = `!${PROXY_NAME}`
  const services = [NOT_HEADLESS, proxyName === undefined ? noProxy : `${PROXY_NAME}=${proxyName}`, labelSelector]
  // Endpoints of a Service with a name may carry it or not.
  const endpoints = [NOT_HEADLESS, proxyName === undefined ? noProxy : '']
  return [
    { name: 'services', forms: [SERVICE], selectors: { labelSelector: joined(services) }, required: true },
    { name: 'endpoints', forms: [SLICE, OLD_SLICE, ENDPOINTS], selectors: { labelSelector: joined(endpoints) }, required: true },
    { name: 'node', forms: [NODE], selectors: { fieldSelector: `metadata.name=${nodeName}` }, required: false },
  ]
}

function joined(parts: readonly string[]): string {
  return parts.filter((part) => part !== '').join(',')
}

/** The path of all its objects, or of those in one namespace. */
export function pathOf({ apiVersion, resource, namespaced }: ApiKind, namespace: string | undefined): string {
  const group = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`
  return namespaced && namespace !== undefined ? `${group}/namespaces/${namespace}/${resource}` : `${group}/${resource}`
}

/** The rule that lets someone read it, in the words of a Role. */
export function ruleFor({ apiVersion, resource }: ApiKind): string {
  const group = apiVersion.includes('/') ? apiVersion.split('/')[0] : ''
  return `apiGroups: ["${group}"], resources: ["${resource}"], verbs: ["list", "watch"]`
}
