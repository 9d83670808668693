import { sameLabels } from '../model/labels.ts'
import type { Node } from '../model/node.ts'
import type { NodeContext } from '../model/snapshot.ts'

/** Where this process runs, with what a Node object of its name adds: its labels come before those that were given.
 *  `previous` itself where it says the same. */
export function withNodeObject(node: NodeContext, object: Node | undefined, previous: NodeContext | undefined): NodeContext {
  const next = object
    ? { ...node, labels: { ...node.labels, ...object.labels }, clients: [...new Set([...node.clients, ...object.podCidrs])] }
    : node
  if (!previous) return next
  if (sameNode(previous, next)) return previous
  // Routes that did not change must not look as if they had.
  return sameList(previous.clients, next.clients) ? { ...next, clients: previous.clients } : next
}

/** What the cluster's autoscaler puts on a node that it will remove. */
const LEAVING_TAINT = 'ToBeDeletedByClusterAutoscaler'

/** Whether load balancers may send traffic to a node, as kube-proxy decides it (KEP-3836). One without an object may. */
export function isEligible(object: Node | undefined): boolean {
  return !object?.deleting && !object?.taints.includes(LEAVING_TAINT)
}

/** Whether both say the same. */
export function sameNode(a: NodeContext, b: NodeContext): boolean {
  return (
    a === b ||
    (a.name === b.name &&
      sameLabels(a.labels, b.labels) &&
      sameList(a.nodePortAddresses, b.nodePortAddresses) &&
      sameList(a.clients, b.clients))
  )
}

function sameList(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((item, n) => item === b[n])
}
