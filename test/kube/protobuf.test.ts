import { describe, expect, it } from 'vitest'
import { readObjectBody } from '../../src/admin/kube/body.ts'
import { refused } from '../../src/admin/kube/outcome.ts'
import { field, message } from '../../src/admin/kube/protobuf.ts'
import { readProtobufObject } from '../../src/admin/kube/protobuf-objects.ts'

/** As kubectl 1.35 sent them. */
const SENT = {
  'create service nodeport made --tcp=5678:8080 --node-port=30100':
    'azhzAAoNCgJ2MRIHU2VydmljZRJwCiEKBG1hZGUSABoAIgAqADIAOABCAFoLCgNhcHASBG1hZGUSRwogCgk1Njc4LTgwODASA1RDUBiuLCIHCAAQkD8aACiU6wESCwoDYXBwEgRtYWRlGgAiCE5vZGVQb3J0OgBCAFIAWgBgAGgAGgIKABoAIgA=',
  'create service externalname e --external-name=a.b':
    'azhzAAoNCgJ2MRIHU2VydmljZRJMChsKAWUSABoAIgAqADIAOABCAFoICgNhcHASAWUSKRIICgNhcHASAWUaACIMRXh0ZXJuYWxOYW1lOgBCAFIDYS5iWgBgAGgAGgIKABoAIgA=',
  'create service clusterip h --clusterip=None':
    'azhzAAoNCgJ2MRIHU2VydmljZRJKChsKAWgSABoAIgAqADIAOABCAFoICgNhcHASAWgSJxIICgNhcHASAWgaBE5vbmUiCUNsdXN0ZXJJUDoAQgBSAFoAYABoABoCCgAaACIA',
  'create ns blue': 'azhzAAoPCgJ2MRIJTmFtZXNwYWNlEhwKFAoEYmx1ZRIAGgAiACoAMgA4AEIAEgAaAgoAGgAiAA==',
} as const
const bytesOf = (sent: keyof typeof SENT) => Buffer.from(SENT[sent], 'base64')
const wrapped = (kind: string, raw: Uint8Array) =>
  Buffer.concat([Buffer.from('k8s\0'), message(field(1, message(field(1, 'v1'), field(2, kind))), field(2, raw))])

describe('an object in protobuf', () => {
  it.each([
    [
      'create service nodeport made --tcp=5678:8080 --node-port=30100',
      {
        kind: 'Service',
        metadata: { name: 'made', labels: { app: 'made' } },
        spec: {
          type: 'NodePort',
          selector: { app: 'made' },
          ports: [{ name: '5678-8080', protocol: 'TCP', port: 5678, targetPort: 8080, nodePort: 30_100 }],
        },
      },
    ],
    [
      'create service externalname e --external-name=a.b',
      {
        kind: 'Service',
        metadata: { name: 'e', labels: { app: 'e' } },
        spec: { type: 'ExternalName', selector: { app: 'e' }, externalName: 'a.b' },
      },
    ],
    [
      'create service clusterip h --clusterip=None',
      {
        kind: 'Service',
        metadata: { name: 'h', labels: { app: 'h' } },
        spec: { type: 'ClusterIP', selector: { app: 'h' }, clusterIP: 'None' },
      },
    ],
    ['create ns blue', { kind: 'Namespace', metadata: { name: 'blue' } }],
  ] as const)('is read as kubectl %s sends it', (sent, object) => {
    expect(readProtobufObject(bytesOf(sent))).toEqual({ value: { apiVersion: 'v1', ...object } })
  })

  it('keeps what was said to be nothing where that means something', () => {
    const spec = message(
      Uint8Array.of(20 << 3, 1, 0)
        .with(0, 0xa0)
        .with(1, 1),
    )
    expect(readProtobufObject(wrapped('Service', field(2, spec)))).toEqual({
      value: { apiVersion: 'v1', kind: 'Service', spec: { allocateLoadBalancerNodePorts: false } },
    })
  })

  it('is refused when it is of another kind, and when it is none', () => {
    expect(readProtobufObject(wrapped('Endpoints', new Uint8Array()))).toBe('unknown')
    const answer = (bytes: Uint8Array) => {
      const read = readObjectBody('application/vnd.kubernetes.protobuf', bytes)
      return refused(read) ? read.code : 200
    }
    expect(answer(wrapped('Endpoints', new Uint8Array()))).toBe(415)
    expect(answer(Buffer.from('{}'))).toBe(400)
    expect(answer(new Uint8Array())).toBe(400)
  })

  it('breaks nothing, wherever it ends and whatever stands in it', () => {
    const whole = bytesOf('create service nodeport made --tcp=5678:8080 --node-port=30100')
    const cut = Array.from(whole, (_, length) => whole.subarray(0, length))
    const changed = Array.from(whole, (_, at) =>
      [0, 127, 128, 255].map((byte) => Buffer.from(whole).fill(byte, at, at + 1)),
    ).flat()
    for (const bytes of [...cut, ...changed]) {
      const object = readProtobufObject(bytes)
      expect(object === undefined || object === 'unknown' || 'value' in object).toBe(true)
    }
  })
})
