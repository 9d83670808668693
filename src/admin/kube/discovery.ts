import { KINDS, type Kind } from './kinds.ts'

/** What the API has, as clients ask for it: group by group, or (kubectl since 1.26) all at once. */

export const VERBS = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'] as const
const STATUS_VERBS = ['get', 'patch', 'update'] as const

const GROUPS = [...new Set(KINDS.map(({ group }) => group))]
const versionsOf = (group: string) => [...new Set(KINDS.filter((kind) => kind.group === group).map(({ version }) => version))]

/** `GET /api`. */
export function coreVersions(): object {
  return { kind: 'APIVersions', versions: versionsOf(''), serverAddressByClientCIDRs: [] }
}

/** `GET /apis`. */
export function groupList(): object {
  return { kind: 'APIGroupList', apiVersion: 'v1', groups: GROUPS.filter((group) => group !== '').map(groupEntry) }
}

/** `GET /apis/discovery.k8s.io`; undefined: there is no such group. */
export function groupOf(group: string): object | undefined {
  return group !== '' && GROUPS.includes(group) ? { kind: 'APIGroup', apiVersion: 'v1', ...groupEntry(group) } : undefined
}

function groupEntry(group: string) {
  const versions = versionsOf(group).map((version) => ({ groupVersion: `${group}/${version}`, version }))
  return { name: group, versions, preferredVersion: versions[0] }
}

/** `GET /api/v1`, `GET /apis/discovery.k8s.io/v1`; undefined: there is no such group or version. */
export function resourceList(group: string, version: string): object | undefined {
  const kinds = KINDS.filter((kind) => kind.group === group && kind.version === version)
  if (kinds.length === 0) return undefined
  const resources = kinds.flatMap((kind) => {
    const { resource: name, singular: singularName, namespaced, shortNames, categories } = kind
    const extra = { ...(shortNames.length > 0 && { shortNames }), ...(categories.length > 0 && { categories }) }
    const own = { name, singularName, namespaced, kind: kind.kind, verbs: VERBS, ...extra }
    const status = { name: `${name}/status`, singularName: '', namespaced, kind: kind.kind, verbs: STATUS_VERBS }
    return kind.hasStatus ? [own, status] : [own]
  })
  return { kind: 'APIResourceList', apiVersion: 'v1', groupVersion: kinds[0]?.apiVersion, resources }
}

/** Everything below `/api` (`core`), or below `/apis`. */
export function aggregated(core: boolean, version: 'v2' | 'v2beta1'): object {
  const items = GROUPS.filter((group) => (group === '') === core).map((group) => ({
    metadata: group === '' ? {} : { name: group },
    versions: versionsOf(group).map((one) => ({
      version: one,
      freshness: 'Current',
      resources: KINDS.filter((kind) => kind.group === group && kind.version === one).map(aggregatedResource),
    })),
  }))
  return { kind: 'APIGroupDiscoveryList', apiVersion: `apidiscovery.k8s.io/${version}`, metadata: {}, items }
}

function aggregatedResource(kind: Kind): object {
  const { resource, singular: singularResource, namespaced, shortNames, categories } = kind
  const responseKind = { group: kind.group, version: kind.version, kind: kind.kind }
  return {
    resource,
    responseKind,
    scope: namespaced ? 'Namespaced' : 'Cluster',
    singularResource,
    verbs: VERBS,
    ...(shortNames.length > 0 && { shortNames }),
    ...(categories.length > 0 && { categories }),
    ...(kind.hasStatus && { subresources: [{ subresource: 'status', responseKind, verbs: STATUS_VERBS }] }),
  }
}
