import { isMapping } from '../../model/findings.ts'
import { HOSTNAME_LABEL, ZONE_LABEL } from '../../model/labels.ts'
import { type Kind, storedKind } from './kinds.ts'
import type { Mapping } from './outcome.ts'
import { mappingAt, withKey } from './values.ts'

/** An object in the form in which its resource is stored. */
export function toStored(kind: Kind, object: Mapping): Mapping {
  const stored = storedKind(kind.resource)
  if (stored === kind) return object
  return { ...mapEndpoints(object, toV1), apiVersion: stored.apiVersion }
}

/** A stored object in the form that was asked for. */
export function fromStored(kind: Kind, object: Mapping): Mapping {
  if (storedKind(kind.resource) === kind) return object
  return { ...mapEndpoints(object, toV1Beta1), apiVersion: kind.apiVersion }
}

function mapEndpoints(object: Mapping, convert: (endpoint: Mapping) => Mapping): Mapping {
  const { endpoints } = object
  if (!Array.isArray(endpoints)) return object
  return { ...object, endpoints: endpoints.map((endpoint) => (isMapping(endpoint) ? convert(endpoint) : endpoint)) }
}

/** The zone, and the node where it is not named, stood among the labels of topology. */
function toV1(endpoint: Mapping): Mapping {
  const { [ZONE_LABEL]: zone, ...others } = mappingAt(endpoint, 'topology')
  const { topology: _, ...rest } = endpoint
  const nodeName = endpoint['nodeName'] ?? others[HOSTNAME_LABEL]
  return {
    ...rest,
    ...(nodeName !== undefined && { nodeName }),
    ...(zone !== undefined && { zone }),
    ...(Object.keys(others).length > 0 && { deprecatedTopology: others }),
  }
}

function toV1Beta1(endpoint: Mapping): Mapping {
  const { deprecatedTopology: _, zone, ...rest } = endpoint
  const topology = { ...mappingAt(endpoint, 'deprecatedTopology'), ...(zone !== undefined && { [ZONE_LABEL]: zone }) }
  return Object.keys(topology).length > 0 ? withKey(rest, 'topology', topology) : rest
}
