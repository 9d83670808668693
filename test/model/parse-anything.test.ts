import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { showProblem } from '../../src/model/problem.ts'
import { aService, aSlice, parseAll, someEndpoints } from './sample-objects.ts'

const VALID = [
  aService(
    {
      type: 'LoadBalancer',
      clusterIPs: ['10.0.0.1', '2001:db8::1'],
      ipFamilies: ['IPv4', 'IPv6'],
      externalIPs: ['192.0.2.1'],
      ports: [{ name: 'a', port: 80, nodePort: 30_080, targetPort: 'http', protocol: 'TCP' }],
      sessionAffinity: 'ClientIP',
      sessionAffinityConfig: { clientIP: { timeoutSeconds: 10 } },
      loadBalancerSourceRanges: ['10.0.0.0/8'],
      externalTrafficPolicy: 'Local',
    },
    {
      metadata: { name: 'web', namespace: 'default', labels: { app: 'x' }, annotations: { 'portald.io/attempts': '2' } },
      status: { loadBalancer: { ingress: [{ ip: '203.0.113.1', ipMode: 'VIP' }] } },
    },
  ),
  aSlice({
    ports: [{ name: 'a', port: 80, protocol: 'TCP' }],
    endpoints: [
      {
        addresses: ['10.1.0.1'],
        conditions: { ready: true, serving: true, terminating: false },
        nodeName: 'n',
        zone: 'z',
        hints: { forZones: [{ name: 'z' }], forNodes: [{ name: 'n' }] },
        topology: { 'kubernetes.io/hostname': 'n' },
      },
    ],
  }),
  someEndpoints({
    addresses: [{ ip: '10.1.0.1', nodeName: 'n' }],
    notReadyAddresses: [{ ip: '10.1.0.2' }],
    ports: [{ name: 'a', port: 80 }],
  }),
]

type Way = readonly (string | number)[]

/** The way to every part of a value. */
function waysIn(value: unknown, way: Way = []): Way[] {
  if (typeof value !== 'object' || value === null) return [way]
  const keys = Array.isArray(value) ? value.map((_, index) => index) : Object.keys(value)
  return [way, ...keys.flatMap((key) => waysIn((value as Record<string | number, unknown>)[key], [...way, key]))]
}

/** The value with something else at one place. */
function replaced(value: unknown, [step, ...rest]: Way, by: unknown): unknown {
  if (step === undefined) return by
  const copy = (Array.isArray(value) ? [...value] : { ...(value as object) }) as Record<string | number, unknown>
  if (by === undefined && rest.length === 0) delete copy[step]
  else copy[step] = replaced(copy[step], rest, by)
  return copy
}

const PLACES = VALID.flatMap((object, index) => waysIn(object).map((way) => ({ index, way })))
const LIKELY = fc.constantFrom<unknown>(
  undefined,
  null,
  '',
  0,
  -1,
  1.5,
  65_536,
  true,
  [],
  {},
  'None',
  'IPv6',
  '10.0.0.1',
  '::1',
  'x',
  [null],
  [''],
  '__proto__',
)
const anyValue = fc.oneof(LIKELY, fc.jsonValue(), fc.anything({ withDate: true, withNullPrototype: true, withBigInt: true }))

describe('any input', () => {
  it('without a fault has no problem', () => {
    expect(parseAll(VALID).problems.filter(({ severity }) => severity === 'error')).toEqual([])
  })

  it('is parsed or said to be wrong, in lines that anyone can read, and costs no other object', () => {
    fc.assert(
      fc.property(fc.constantFrom(...PLACES), anyValue, ({ index, way }, by) => {
        const broken = replaced(VALID[index], way, by)
        const bystander = aService({ clusterIP: '10.9.9.9' }, { metadata: { namespace: 'bystander' } })
        const { services, problems, notes } = parseAll([broken, bystander])
        expect([...services.keys()]).toContain('bystander/web')
        for (const line of [...problems.map(showProblem), ...notes]) expect(line).toMatch(/^[^\n\r]{1,1000}$/)
        for (const { message } of problems) expect(message).not.toMatch(/\.$|^[A-Z]|undefined|\[object|nonoptional|[Ii]nvalid/)
      }),
      { numRuns: 3000 },
    )
  })

  it('is parsed alike, however broken it is in two places', () => {
    fc.assert(
      fc.property(fc.constantFrom(...PLACES), fc.constantFrom(...PLACES), anyValue, anyValue, (one, other, by, too) => {
        const once = replaced(VALID[one.index], one.way, by)
        const ways = waysIn(once).filter((way) => way.join() === other.way.join())
        const twice = ways.reduce((value, way) => replaced(value, way, too), once)
        expect(parseAll([twice])).toEqual(parseAll([twice]))
      }),
      { numRuns: 1000 },
    )
  })

  it('need not be an object at all', () => {
    fc.assert(fc.property(fc.array(anyValue, { maxLength: 5 }), (values) => void parseAll(values)))
  })
})
