import { notAcceptable, type Refusal } from './refusal.ts'

/** In which form an answer is wanted. */
export interface Form {
  readonly yaml: boolean
  readonly as: 'object' | 'Table' | 'PartialObjectMetadata' | 'discovery/v2' | 'discovery/v2beta1'
}

const SUPPORTED = 'application/json, application/yaml'

/** The first form that the client names and that there is. Protobuf is passed over: whoever takes nothing else gets 406. */
export function chooseForm(accept: string | undefined): Form | Refusal {
  for (const entry of (accept || '*/*').split(',')) {
    const [type = '', ...rest] = entry.split(';').map((part) => part.trim())
    const parameters = new Map(rest.map((part) => part.split('=', 2) as [string, string]))
    if (parameters.get('q') === '0') continue
    const yaml = type === 'application/yaml'
    if (!yaml && !['application/json', 'application/*', '*/*', 'text/*'].includes(type)) continue
    const as = formOf(parameters.get('as'), parameters.get('g'), parameters.get('v'))
    if (as !== undefined) return { yaml, as }
  }
  return notAcceptable(SUPPORTED)
}

function formOf(as: string | undefined, group: string | undefined, version: string | undefined): Form['as'] | undefined {
  if (as === undefined) return 'object'
  if (group === 'meta.k8s.io' && (version === 'v1' || version === 'v1beta1')) {
    if (as === 'Table') return 'Table'
    return as === 'PartialObjectMetadata' || as === 'PartialObjectMetadataList' ? 'PartialObjectMetadata' : undefined
  }
  if (group !== 'apidiscovery.k8s.io' || as !== 'APIGroupDiscoveryList') return undefined
  return version === 'v2' || version === 'v2beta1' ? `discovery/${version}` : undefined
}
