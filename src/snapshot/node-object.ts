import { sameLabels } from '../model/labels.ts'
import type { Node } from '../model/node.ts'
import type { NodeContext, NodeState } from '../model/snapshot.ts'

/** What the cluster autoscaler puts on a node that it is about to remove. */
const TO_BE_DELETED = 'ToBeDeletedByClusterAutoscaler'

/** Whether load balancers may send clients to this node. Of a node that was known and is known no more the object was
 *  deleted; one that was never known is nobody's to judge. Cordoning makes no difference. */
export function nodeState(object: Node | undefined, previous: NodeState | undefined): NodeState {
  if (!object) return previous === undefined || previous === 'unknown' ? 'unknown' : 'leaving'
  return object.deleting || object.taints.includes(TO_BE_DELETED) ? 'leaving' : 'staying'
}

/** Where this process runs, with what a Node object of its name adds: its labels come before those that were given, and
 *  its own addresses before those that were guessed. `previous` itself where it says the same. */
export function withNodeObject(node: NodeContext, object: Node | undefined, previous: NodeContext | undefined): NodeContext {
  const next = object ? merged(node, object) : node
  if (!previous) return next
  if (sameNode(previous, next)) return previous
  // Routes that did not change must not look as if they had.
  return sameList(previous.clients, next.clients) ? { ...next, clients: previous.clients } : next
}

function merged(node: NodeContext, object: Node): NodeContext {
  const known = node.followsNodeObject && object.addresses.length > 0
  return {
    ...node,
    labels: { ...node.labels, ...object.labels },
    nodePortAddresses: known ? object.addresses : node.nodePortAddresses,
    clients: [...new Set([...node.clients, ...object.podCidrs])],
  }
}

/** Whether both say the same. */
export function sameNode(a: NodeContext, b: NodeContext): boolean {
  return (
    a === b ||
    (a.name === b.name &&
      a.followsNodeObject === b.followsNodeObject &&
      sameLabels(a.labels, b.labels) &&
      sameList(a.addresses, b.addresses) &&
      sameList(a.nodePortAddresses, b.nodePortAddresses) &&
      sameList(a.clients, b.clients))
  )
}

function sameList(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((item, n) => item === b[n])
}
