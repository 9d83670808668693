import type { Problem } from '../../model/problem.ts'
import { ruleFor } from './api-kinds.ts'
import type { Reflector } from './reflector.ts'

/** The name of the cluster as a source. */
export const CLUSTER = 'cluster'

/** A watch that is cut and resumed at once is nothing to speak of; this many failures in a row are. */
const FEW_FAILURES = 2

/** A problem with the cluster itself. */
export function clusterProblem(severity: Problem['severity'], code: string, message: string): Problem {
  return { severity, code, place: CLUSTER, object: '', field: '', value: '', message }
}

/** What is wrong with following a kind, in words that stay the same while it does. `kept`: there is something to go on
 *  with. */
export function troublesOf({ kind, trouble, synced }: Reflector, kept: boolean): readonly Problem[] {
  if (!trouble || (synced && trouble.count < FEW_FAILURES)) return []
  const { form, failure } = trouble
  const what = kind.name === 'node' ? `this node's object (${form.resource})` : form.resource
  const consequence = kept ? 'what it held before stays in force' : 'nothing of it is in force yet'
  if (failure.status === 403) {
    const rule = `a Role or ClusterRole must have the rule ${ruleFor(form)}`
    if (kind.required) return [clusterProblem('error', 'api-forbidden', `${what} may not be read: ${rule}; ${consequence}`)]
    const without = 'topology comes from --node-label alone'
    return [clusterProblem('warning', 'api-forbidden', `${what} may not be read: ${rule}; without it ${without}`)]
  }
  const code = failure.status === 401 ? 'api-unauthorized' : 'api-unreachable'
  return [clusterProblem('error', code, `${what} cannot be read: ${failure.message}; ${consequence}`)]
}
