import { type Message, readFields, readMessage } from './protobuf-reader.ts'

/** The two kinds that `kubectl create service` and `create namespace` send as protobuf since 1.32, whatever they were asked
 *  for. Field numbers are those of k8s.io/api; others are not read. */

const METADATA: Message = {
  1: ['name', 'text'],
  2: ['generateName', 'text'],
  3: ['namespace', 'text'],
  6: ['resourceVersion', 'text'],
  11: ['labels', 'words'],
  12: ['annotations', 'words'],
  14: ['finalizers', 'text', 'repeated'],
}

const PORT: Message = {
  1: ['name', 'text'],
  2: ['protocol', 'text'],
  3: ['port', 'number'],
  4: ['targetPort', 'int-or-string'],
  5: ['nodePort', 'number'],
  6: ['appProtocol', 'text'],
}

const SERVICE_SPEC: Message = {
  1: ['ports', PORT, 'repeated'],
  2: ['selector', 'words'],
  3: ['clusterIP', 'text'],
  4: ['type', 'text'],
  5: ['externalIPs', 'text', 'repeated'],
  7: ['sessionAffinity', 'text'],
  8: ['loadBalancerIP', 'text'],
  9: ['loadBalancerSourceRanges', 'text', 'repeated'],
  10: ['externalName', 'text'],
  11: ['externalTrafficPolicy', 'text'],
  12: ['healthCheckNodePort', 'number'],
  13: ['publishNotReadyAddresses', 'flag'],
  14: ['sessionAffinityConfig', { 1: ['clientIP', { 1: ['timeoutSeconds', 'number', 'optional'] }] }],
  17: ['ipFamilyPolicy', 'text'],
  18: ['clusterIPs', 'text', 'repeated'],
  19: ['ipFamilies', 'text', 'repeated'],
  20: ['allocateLoadBalancerNodePorts', 'flag', 'optional'],
  21: ['loadBalancerClass', 'text'],
  22: ['internalTrafficPolicy', 'text'],
  23: ['trafficDistribution', 'text'],
}

const KINDS: ReadonlyMap<string, Message> = new Map([
  ['v1/Service', { 1: ['metadata', METADATA], 2: ['spec', SERVICE_SPEC] }],
  ['v1/Namespace', { 1: ['metadata', METADATA] }],
])

/** What every object is wrapped in: four letters, and a message that says what it is. */
const MAGIC = [0x6b, 0x38, 0x73, 0x00]
const TYPE: Message = { 1: ['apiVersion', 'text'], 2: ['kind', 'text'] }

/** An object as JSON. `unknown`: of a kind that is not read this way; undefined: it is no such object. */
export function readProtobufObject(bytes: Uint8Array): { readonly value: unknown } | 'unknown' | undefined {
  if (!MAGIC.every((byte, n) => bytes[n] === byte)) return undefined
  const fields = readFields(bytes.subarray(MAGIC.length))
  const type = fields?.find(({ number }) => number === 1)
  const raw = fields?.find(({ number }) => number === 2)
  const said = type && readMessage(type.bytes, TYPE)
  if (!said) return undefined
  const message = KINDS.get(`${said['apiVersion']}/${said['kind']}`)
  if (!message) return 'unknown'
  const object = readMessage(raw?.bytes ?? bytes.subarray(0, 0), message)
  return object && { value: { ...said, ...object } }
}
