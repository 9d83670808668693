import { describe, expect, it } from 'vitest'
import { answerServiceCheck } from '../../src/health/service-check.ts'

describe('the answer to a load balancer that asks for a Service', () => {
  const ask = (localEndpoints: number, healthy: boolean) =>
    answerServiceCheck({ namespace: 'default', name: 'web', localEndpoints }, healthy)

  it('is kube-proxy’s document, and its weight is how many endpoints are here', () => {
    expect(ask(3, true)).toEqual({
      code: 200,
      headers: { 'x-load-balancing-endpoint-weight': '3' },
      body: { service: { namespace: 'default', name: 'web' }, localEndpoints: 3, serviceProxyHealthy: true },
    })
  })

  it.each([
    [0, true],
    [3, false],
    [0, false],
  ])('is 503 with %i endpoints and a proxy whose health is %s', (localEndpoints, healthy) => {
    expect(ask(localEndpoints, healthy)).toMatchObject({
      code: 503,
      headers: { 'x-load-balancing-endpoint-weight': String(localEndpoints) },
      body: { localEndpoints, serviceProxyHealthy: healthy },
    })
  })
})
