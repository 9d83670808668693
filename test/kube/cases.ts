import type { Json } from '../support/objects.ts'

/** Requests with the answers of a Kubernetes API server: code, reason, and the fields of its causes. The same table is put to
 *  ours (`cases.test.ts`) and to a real one (`test/real/`). Where ours is meant to differ, `ours` says how. */
export interface KubeCase {
  readonly name: string
  /** Objects to create before. */
  readonly given?: readonly Json[]
  readonly method: 'POST' | 'PUT' | 'PATCH' | 'DELETE' | 'GET'
  readonly path: string
  readonly type?: string
  readonly body?: unknown
  /** Lay the body over what is there, as whoever read it before would. */
  readonly over?: boolean
  readonly answer: KubeAnswer
  readonly ours?: KubeAnswer
}

interface KubeAnswer {
  readonly code: number
  readonly reason?: string
  /** Each as `FieldValueInvalid spec.ports[0].port`. */
  readonly causes?: readonly string[]
}

export const SERVICES = '/api/v1/namespaces/default/services'
export const ENDPOINTS = '/api/v1/namespaces/default/endpoints'
export const SLICES = '/apis/discovery.k8s.io/v1beta1/namespaces/default/endpointslices'
const MERGE = 'application/merge-patch+json'
const STRATEGIC = 'application/strategic-merge-patch+json'
const JSON_PATCH = 'application/json-patch+json'
const APPLY = 'application/apply-patch+yaml'

const HTTP = { name: 'http', port: 80 }
/** Server-side apply before Kubernetes 1.21 wants the protocol, as it is part of the key. */
const TCP = { ...HTTP, protocol: 'TCP' }

export function service(spec: object, metadata: object = {}): Json {
  return { apiVersion: 'v1', kind: 'Service', metadata: { name: 'web', ...metadata }, spec }
}
const web = service({ ports: [HTTP] })
const two = service({ ports: [HTTP, { name: 'dns', port: 53, protocol: 'UDP' }] })
const nodePort = service({ type: 'NodePort', ports: [HTTP] })
const balancer = service({ type: 'LoadBalancer', ports: [HTTP] })

export function endpoints(subsets: readonly object[], metadata: object = {}): Json {
  return { apiVersion: 'v1', kind: 'Endpoints', metadata: { name: 'web', ...metadata }, subsets }
}
const subset = { addresses: [{ ip: '192.0.2.1' }], ports: [{ port: 80 }] }

export function slice(fields: object = {}, metadata: object = {}): Json {
  return {
    apiVersion: 'discovery.k8s.io/v1beta1',
    kind: 'EndpointSlice',
    metadata: { name: 'web-1', labels: { 'kubernetes.io/service-name': 'web' }, ...metadata },
    addressType: 'IPv4',
    ports: [{ name: 'http', port: 80 }],
    endpoints: [{ addresses: ['192.0.2.1'] }],
    ...fields,
  }
}

const CREATED = { code: 201 }
const OK = { code: 200 }
const invalid = (...causes: string[]): KubeAnswer => ({ code: 422, reason: 'Invalid', causes })
const BAD = { code: 400, reason: 'BadRequest' }
const CONFLICT = { code: 409, reason: 'Conflict' }
const NOT_FOUND = { code: 404, reason: 'NotFound' }

const create = (name: string, body: unknown, answer: KubeAnswer, ours?: KubeAnswer): KubeCase => {
  const kind = (body as Json)['kind']
  const path = kind === 'Endpoints' ? ENDPOINTS : kind === 'EndpointSlice' ? SLICES : SERVICES
  return { name: `create: ${name}`, method: 'POST', path, body, answer, ...(ours && { ours }) }
}
const patch = (name: string, given: Json, type: string, body: unknown, answer: KubeAnswer, ours?: KubeAnswer): KubeCase => {
  const [path, object] =
    given['kind'] === 'Endpoints' ? [ENDPOINTS, 'web'] : given['kind'] === 'EndpointSlice' ? [SLICES, 'web-1'] : [SERVICES, 'web']
  const query = type === APPLY ? '?fieldManager=test' : ''
  return {
    name: `patch: ${name}`,
    given: [given],
    method: 'PATCH',
    path: `${path}/${object}${query}`,
    type,
    body,
    answer,
    ...(ours && { ours }),
  }
}
const replace = (name: string, given: Json, body: unknown, answer: KubeAnswer, ours?: KubeAnswer): KubeCase => ({
  name: `replace: ${name}`,
  given: [given],
  method: 'PUT',
  path: `${SERVICES}/web`,
  body,
  over: ours === undefined,
  answer,
  ...(ours && { ours }),
})
const port = (fields: object) => service({ ports: [{ ...HTTP, ...fields }] })

const NEW_SERVICES: readonly KubeCase[] = [
  create('one port', web, CREATED),
  create('two ports', two, CREATED),
  create(
    'one number for two protocols',
    service({
      ports: [
        { name: 'a', port: 53 },
        { name: 'b', port: 53, protocol: 'UDP' },
      ],
    }),
    CREATED,
  ),
  create('a nodePort', nodePort, CREATED),
  create('a load balancer', balancer, CREATED),
  create('headless', service({ clusterIP: 'None', ports: [HTTP] }), CREATED),
  create('headless without ports', service({ clusterIP: 'None' }), CREATED),
  create('an external name', service({ type: 'ExternalName', externalName: 'db.example.com' }), CREATED),
  create('affinity', service({ ports: [HTTP], sessionAffinity: 'ClientIP' }), CREATED),
  create('a named target port', port({ targetPort: 'http' }), CREATED),
  create('an external address', service({ ports: [HTTP], externalIPs: ['192.0.2.7'] }), CREATED),
  create('a generated name', service({ ports: [HTTP] }, { name: undefined, generateName: 'web-' }), CREATED),
  create('a selector', service({ ports: [HTTP], selector: { app: 'web' } }), CREATED),
  create('no name', service({ ports: [HTTP] }, { name: undefined }), invalid('FieldValueRequired metadata.name')),
  create('a name with a capital', service({ ports: [HTTP] }, { name: 'Web' }), invalid('FieldValueInvalid metadata.name')),
  create(
    'a name that begins with a digit',
    service({ ports: [HTTP] }, { name: '1web' }),
    invalid('FieldValueInvalid metadata.name'),
  ),
  create(
    'a name that is too long',
    service({ ports: [HTTP] }, { name: 'w'.repeat(64) }),
    invalid('FieldValueInvalid metadata.name'),
  ),
  create(
    'a label value with a space',
    service({ ports: [HTTP] }, { labels: { app: 'a b' } }),
    invalid('FieldValueInvalid metadata.labels'),
  ),
  create(
    'a label key with a space',
    service({ ports: [HTTP] }, { labels: { 'a b': 'c' } }),
    invalid('FieldValueInvalid metadata.labels'),
  ),
  create(
    'an annotation key with a space',
    service({ ports: [HTTP] }, { annotations: { 'a b': 'c' } }),
    invalid('FieldValueInvalid metadata.annotations'),
  ),
  create('another namespace', service({ ports: [HTTP] }, { namespace: 'other' }), BAD),
  create('a resourceVersion', service({ ports: [HTTP] }, { resourceVersion: '1' }), { code: 500 }, BAD),
  create('another kind', { apiVersion: 'v1', kind: 'Endpoints2', metadata: { name: 'web' } }, BAD),
  create('another version', { ...web, apiVersion: 'v2' }, BAD),
  create('text as a port', port({ port: '80' }), BAD),
  create('a list as a name', service({ ports: [HTTP] }, { name: ['web'] }), BAD),
  create('a mapping as ports', service({ ports: { port: 80 } }), BAD),
  create('no ports', service({}), invalid('FieldValueRequired spec.ports')),
  create(
    'port 0',
    port({ port: 0 }),
    invalid('FieldValueInvalid spec.ports[0].port', 'FieldValueInvalid spec.ports[0].targetPort'),
  ),
  create(
    'port 65536',
    port({ port: 65_536 }),
    invalid('FieldValueInvalid spec.ports[0].port', 'FieldValueInvalid spec.ports[0].targetPort'),
  ),
  create(
    'a negative port',
    port({ port: -1 }),
    invalid('FieldValueInvalid spec.ports[0].port', 'FieldValueInvalid spec.ports[0].targetPort'),
  ),
  create('an unknown protocol', port({ protocol: 'ICMP' }), invalid('FieldValueNotSupported spec.ports[0].protocol')),
  create('a protocol in small letters', port({ protocol: 'tcp' }), invalid('FieldValueNotSupported spec.ports[0].protocol')),
  create('a port name with a capital', port({ name: 'Http' }), invalid('FieldValueInvalid spec.ports[0].name')),
  create('a target port that is too large', port({ targetPort: 70_000 }), invalid('FieldValueInvalid spec.ports[0].targetPort')),
  create(
    'a target port name that is too long',
    port({ targetPort: 'a'.repeat(16) }),
    invalid('FieldValueInvalid spec.ports[0].targetPort'),
  ),
  create(
    'two ports without names',
    service({ ports: [{ port: 80 }, { port: 81 }] }),
    invalid('FieldValueRequired spec.ports[0].name', 'FieldValueRequired spec.ports[1].name'),
  ),
  create(
    'two ports of one name',
    service({ ports: [HTTP, { ...HTTP, port: 81 }] }),
    invalid('FieldValueDuplicate spec.ports[1].name'),
  ),
  create('one port twice', service({ ports: [HTTP, { ...HTTP, name: 'b' }] }), invalid('FieldValueDuplicate spec.ports[1]')),
  create('an unknown type', service({ type: 'Foo', ports: [HTTP] }), invalid('FieldValueNotSupported spec.type')),
  create(
    'an unknown affinity',
    service({ ports: [HTTP], sessionAffinity: 'Cookie' }),
    invalid('FieldValueNotSupported spec.sessionAffinity'),
  ),
  create(
    'affinity for 0 s',
    service({ ports: [HTTP], sessionAffinity: 'ClientIP', sessionAffinityConfig: { clientIP: { timeoutSeconds: 0 } } }),
    invalid('FieldValueInvalid spec.sessionAffinityConfig.clientIP.timeoutSeconds'),
  ),
  create(
    'affinity for two days',
    service({ ports: [HTTP], sessionAffinity: 'ClientIP', sessionAffinityConfig: { clientIP: { timeoutSeconds: 172_800 } } }),
    invalid('FieldValueInvalid spec.sessionAffinityConfig.clientIP.timeoutSeconds'),
  ),
  create(
    'affinity configured, not wanted',
    service({ ports: [HTTP], sessionAffinityConfig: { clientIP: { timeoutSeconds: 10 } } }),
    CREATED,
  ),
  create(
    'an external address that is a name',
    service({ ports: [HTTP], externalIPs: ['web.example.com'] }),
    invalid('FieldValueInvalid spec.externalIPs[0]'),
  ),
  create(
    'an external address that is no machine',
    service({ ports: [HTTP], externalIPs: ['0.0.0.0'] }),
    invalid('FieldValueInvalid spec.externalIPs[0]'),
  ),
  create('a nodePort for type ClusterIP', port({ nodePort: 30_080 }), invalid('FieldValueForbidden spec.ports[0].nodePort')),
  create(
    'a nodePort out of range',
    service({ type: 'NodePort', ports: [{ ...HTTP, nodePort: 80 }] }),
    invalid('FieldValueInvalid spec.ports[0].nodePort'),
  ),
  create(
    'a nodePort for two ports',
    service({
      type: 'NodePort',
      ports: [
        { ...HTTP, nodePort: 30_080 },
        { name: 'b', port: 81, nodePort: 30_080 },
      ],
    }),
    invalid('FieldValueDuplicate spec.ports[1].nodePort'),
  ),
  create(
    'a clusterIP out of range',
    service({ clusterIP: '192.0.2.1', ports: [HTTP] }),
    invalid('FieldValueInvalid spec.clusterIPs'),
  ),
  create(
    'a clusterIP that is a name',
    service({ clusterIP: 'web', ports: [HTTP] }),
    invalid('FieldValueInvalid spec.clusterIPs[0]'),
  ),
  create(
    'headless with nodePorts',
    service({ type: 'NodePort', clusterIP: 'None', ports: [HTTP] }),
    invalid('FieldValueInvalid spec.clusterIPs[0]'),
  ),
  create('an external name that is missing', service({ type: 'ExternalName' }), invalid('FieldValueRequired spec.externalName')),
  create(
    'an external name that is none',
    service({ type: 'ExternalName', externalName: '-' }),
    invalid('FieldValueInvalid spec.externalName'),
  ),
  create(
    'the port of the kubelet',
    service({ type: 'LoadBalancer', ports: [{ ...HTTP, port: 10_250 }] }),
    invalid('FieldValueInvalid spec.ports[0]'),
  ),
  create('source ranges', service({ type: 'LoadBalancer', ports: [HTTP], loadBalancerSourceRanges: ['192.0.2.0/24'] }), CREATED),
  create(
    'source ranges that are none',
    service({ type: 'LoadBalancer', ports: [HTTP], loadBalancerSourceRanges: ['foo'] }),
    invalid('FieldValueInvalid spec.LoadBalancerSourceRanges'),
    invalid('FieldValueInvalid spec.loadBalancerSourceRanges'),
  ),
  create(
    'source ranges for type ClusterIP',
    service({ ports: [HTTP], loadBalancerSourceRanges: ['192.0.2.0/24'] }),
    invalid('FieldValueForbidden spec.LoadBalancerSourceRanges'),
    invalid('FieldValueForbidden spec.loadBalancerSourceRanges'),
  ),
  create(
    'an unknown external policy',
    service({ type: 'NodePort', ports: [HTTP], externalTrafficPolicy: 'Near' }),
    invalid('FieldValueInvalid spec.externalTrafficPolicy'),
    invalid('FieldValueNotSupported spec.externalTrafficPolicy'),
  ),
  create(
    'an external policy for type ClusterIP',
    service({ ports: [HTTP], externalTrafficPolicy: 'Local' }),
    invalid('FieldValueInvalid spec.externalTrafficPolicy'),
  ),
  create(
    'a health check port for policy Cluster',
    service({ type: 'LoadBalancer', ports: [HTTP], healthCheckNodePort: 30_081 }),
    invalid('FieldValueInvalid spec.healthCheckNodePort'),
  ),
  create(
    'a health check port',
    service({ type: 'LoadBalancer', ports: [HTTP], externalTrafficPolicy: 'Local', healthCheckNodePort: 30_081 }),
    CREATED,
  ),
  create(
    'a selector with a space',
    service({ ports: [HTTP], selector: { app: 'a b' } }),
    invalid('FieldValueInvalid spec.selector'),
  ),
  create(
    'an application protocol with a space',
    port({ appProtocol: 'a b' }),
    invalid('FieldValueInvalid spec.ports[0].appProtocol'),
  ),
  create(
    'two mistakes',
    service({ type: 'Foo', ports: [{ ...HTTP, port: 0 }] }),
    invalid(
      'FieldValueInvalid spec.ports[0].port',
      'FieldValueInvalid spec.ports[0].targetPort',
      'FieldValueNotSupported spec.type',
    ),
  ),
  { ...create('what is there', web, { code: 409, reason: 'AlreadyExists' }), given: [web] },
  {
    ...create(
      'a nodePort that another one has',
      service({ type: 'NodePort', ports: [{ ...HTTP, nodePort: 30_080 }] }, { name: 'b' }),
      invalid('FieldValueInvalid spec.ports[0].nodePort'),
    ),
    given: [service({ type: 'NodePort', ports: [{ ...HTTP, nodePort: 30_080 }] })],
  },
]

const NEW_ENDPOINTS: readonly KubeCase[] = [
  create('Endpoints', endpoints([subset]), CREATED),
  create('Endpoints without subsets', endpoints([]), CREATED),
  create('Endpoints without addresses', endpoints([{ ports: [{ port: 80 }] }]), invalid('FieldValueRequired subsets[0]')),
  create(
    'Endpoints with a name as address',
    endpoints([{ ...subset, addresses: [{ ip: 'a' }] }]),
    invalid('FieldValueInvalid subsets[0].addresses[0].ip'),
  ),
  create(
    'Endpoints on loopback',
    endpoints([{ ...subset, addresses: [{ ip: '127.0.0.1' }] }]),
    invalid('FieldValueInvalid subsets[0].addresses[0].ip'),
  ),
  create(
    'Endpoints on no machine',
    endpoints([{ ...subset, addresses: [{ ip: '0.0.0.0' }] }]),
    invalid('FieldValueInvalid subsets[0].addresses[0].ip'),
  ),
  create(
    'Endpoints with port 0',
    endpoints([{ ...subset, ports: [{ port: 0 }] }]),
    invalid('FieldValueInvalid subsets[0].ports[0].port'),
  ),
  create(
    'Endpoints with two ports without names',
    endpoints([{ ...subset, ports: [{ port: 80 }, { port: 81 }] }]),
    invalid('FieldValueRequired subsets[0].ports[0].name', 'FieldValueRequired subsets[0].ports[1].name'),
  ),
  create(
    'Endpoints with an unknown protocol',
    endpoints([{ ...subset, ports: [{ port: 80, protocol: 'x' }] }]),
    invalid('FieldValueNotSupported subsets[0].ports[0].protocol'),
  ),
  create('a slice', slice(), CREATED),
  create('a slice without endpoints', slice({ endpoints: [] }), CREATED),
  create('a slice without a service', slice({}, { labels: {} }), CREATED),
  create('a slice of no family', slice({ addressType: undefined }), invalid('FieldValueRequired addressType')),
  create('a slice of another family', slice({ addressType: 'IPX' }), invalid('FieldValueNotSupported addressType')),
  create(
    'a slice with an IPv6 address among IPv4',
    slice({ endpoints: [{ addresses: ['2001:db8::1'] }] }),
    invalid('FieldValueInvalid endpoints[0].addresses[0]'),
  ),
  create(
    'a slice with an endpoint without address',
    slice({ endpoints: [{ addresses: [] }] }),
    invalid('FieldValueRequired endpoints[0].addresses'),
  ),
  create(
    'a slice with a name as address',
    slice({ endpoints: [{ addresses: ['a'] }] }),
    invalid('FieldValueInvalid endpoints[0].addresses[0]'),
  ),
  create(
    'a slice with 1001 endpoints',
    slice({ endpoints: Array.from({ length: 1001 }, (_, n) => ({ addresses: [`192.0.${n >> 8}.${n & 255}`] })) }),
    invalid('FieldValueTooMany endpoints'),
  ),
  create(
    'a slice with 101 addresses',
    slice({ endpoints: [{ addresses: Array.from({ length: 101 }, (_, n) => `192.0.2.${n}`) }] }),
    invalid('FieldValueTooMany endpoints[0].addresses'),
  ),
  create(
    'a slice with an unknown protocol',
    slice({ ports: [{ port: 80, protocol: 'x' }] }),
    invalid('FieldValueNotSupported ports[0].protocol'),
  ),
  create(
    'a slice with two ports of one name',
    slice({ ports: [{ port: 80 }, { port: 81 }] }),
    invalid('FieldValueDuplicate ports[1].name'),
  ),
  create(
    'a slice with a port name with a capital',
    slice({ ports: [{ name: 'Http', port: 80 }] }),
    invalid('FieldValueInvalid ports[0].name'),
  ),
]

const applied = (spec: object) => ({ apiVersion: 'v1', kind: 'Service', metadata: { name: 'web' }, spec })
const CHANGES: readonly KubeCase[] = [
  replace('with the same', web, web, OK),
  // Kubernetes takes an update that names no version and no address since 1.21; the one that is built for tests is older.
  replace('without a version', web, web, { code: 422 }, OK),
  replace('with another port', web, service({ ports: [{ ...HTTP, port: 81 }] }), OK),
  replace('with a stale version', web, service({ ports: [HTTP] }, { resourceVersion: '1' }), CONFLICT),
  replace('with another name', web, service({ ports: [HTTP] }, { name: 'b' }), BAD),
  replace(
    'with another clusterIP',
    web,
    service({ clusterIP: '127.10.255.7', ports: [HTTP] }),
    invalid('FieldValueInvalid spec.clusterIPs[0]'),
  ),
  replace('with no ports', web, service({}), invalid('FieldValueRequired spec.ports')),
  replace('with a nodePort type', web, nodePort, OK),
  replace('of a nodePort type with ClusterIP', nodePort, web, OK),
  replace('with ExternalName', web, service({ type: 'ExternalName', externalName: 'a.example.com' }), OK),
  { name: 'replace: what is not there', method: 'PUT', path: `${SERVICES}/web`, body: web, answer: NOT_FOUND, ours: CREATED },
  { name: 'replace: a slice that is not there', method: 'PUT', path: `${SLICES}/web-1`, body: slice(), answer: NOT_FOUND },
  {
    name: 'replace: the family of a slice',
    given: [slice()],
    method: 'PUT',
    path: `${SLICES}/web-1`,
    body: slice({ addressType: 'IPv6', endpoints: [] }),
    answer: invalid('FieldValueInvalid addressType'),
  },
  patch('merge: a label', web, MERGE, { metadata: { labels: { a: 'b' } } }, OK),
  patch('merge: ports away', web, MERGE, { spec: { ports: null } }, invalid('FieldValueRequired spec.ports')),
  patch('merge: another name', web, MERGE, { metadata: { name: 'b' } }, BAD),
  patch('merge: a stale version', web, MERGE, { metadata: { resourceVersion: '1', labels: { a: 'b' } } }, CONFLICT),
  patch('merge: a list', web, MERGE, [], { code: 422 }, BAD),
  patch('merge: not JSON', web, MERGE, '{', { code: 500 }, BAD),
  patch('strategic: a second port', web, STRATEGIC, { spec: { ports: [{ name: 'b', port: 81 }] } }, OK),
  patch('strategic: a port away', two, STRATEGIC, { spec: { ports: [{ port: 53, $patch: 'delete' }] } }, OK),
  patch(
    'strategic: the last port away',
    web,
    STRATEGIC,
    { spec: { ports: [{ port: 80, $patch: 'delete' }] } },
    invalid('FieldValueRequired spec.ports'),
  ),
  patch('strategic: a port without its key', web, STRATEGIC, { spec: { ports: [{ name: 'b' }] } }, { code: 500 }, BAD),
  patch('strategic: an unknown directive', web, STRATEGIC, { spec: { $patch: 'foo' } }, { code: 500 }, BAD),
  patch('json: a label', web, JSON_PATCH, [{ op: 'add', path: '/metadata/labels', value: { a: 'b' } }], OK),
  patch('json: what is not there away', web, JSON_PATCH, [{ op: 'remove', path: '/spec/foo' }], invalid()),
  patch('json: a test that fails', web, JSON_PATCH, [{ op: 'test', path: '/spec/type', value: 'NodePort' }], invalid()),
  patch('json: not a list', web, JSON_PATCH, {}, BAD),
  patch('apply: another port', web, APPLY, applied({ ports: [{ name: 'b', port: 81, protocol: 'TCP' }] }), OK),
  patch('apply: a field of another manager', web, APPLY, applied({ ports: [{ ...TCP, targetPort: 8080 }] }), {
    ...CONFLICT,
    causes: ['FieldManagerConflict .spec.ports[port=80,protocol="TCP"].targetPort'],
  }),
  patch('apply: without a kind', web, APPLY, { metadata: { name: 'web' } }, BAD),
  patch(
    'apply: a bad port',
    web,
    APPLY,
    applied({ ports: [{ name: 'b', port: 0, protocol: 'TCP' }] }),
    invalid('FieldValueInvalid spec.ports[1].port', 'FieldValueInvalid spec.ports[1].targetPort'),
  ),
  {
    name: 'apply: what is not there',
    method: 'PATCH',
    path: `${SERVICES}/web?fieldManager=test`,
    type: APPLY,
    body: applied({ ports: [TCP] }),
    answer: CREATED,
  },
  { name: 'patch: what is not there', method: 'PATCH', path: `${SERVICES}/web`, type: MERGE, body: {}, answer: NOT_FOUND },
  {
    name: 'patch: of no known type',
    given: [web],
    method: 'PATCH',
    path: `${SERVICES}/web`,
    type: 'text/plain',
    body: {},
    answer: { code: 415, reason: 'UnsupportedMediaType' },
  },
  { name: 'delete: what is there', given: [web], method: 'DELETE', path: `${SERVICES}/web`, answer: OK },
  { name: 'delete: what is not there', method: 'DELETE', path: `${SERVICES}/web`, answer: NOT_FOUND },
  {
    name: 'delete: another object of the name',
    given: [web],
    method: 'DELETE',
    path: `${SERVICES}/web`,
    body: { apiVersion: 'v1', kind: 'DeleteOptions', preconditions: { uid: 'a' } },
    answer: CONFLICT,
  },
  { name: 'get: what is not there', method: 'GET', path: `${SERVICES}/web`, answer: NOT_FOUND },
  {
    name: 'list: by a field that cannot be selected',
    method: 'GET',
    path: `${SERVICES}?fieldSelector=spec.foo%3Da`,
    answer: BAD,
  },
  { name: 'list: by labels that are none', method: 'GET', path: `${SERVICES}?labelSelector=a%20b%20c`, answer: BAD },
  { name: 'list: with a broken continue', method: 'GET', path: `${SERVICES}?limit=1&continue=foo`, answer: BAD },
  { name: 'get: an unknown resource', method: 'GET', path: '/api/v1/namespaces/default/widgets', answer: NOT_FOUND },
  {
    name: 'create: a dry run of no known kind',
    method: 'POST',
    path: `${SERVICES}?dryRun=Some`,
    body: web,
    answer: { code: 422, reason: 'Invalid' },
  },
]

export const CASES: readonly KubeCase[] = [...NEW_SERVICES, ...NEW_ENDPOINTS, ...CHANGES]
