/** What a load balancer that asks for one Service is told of. */
export interface ServiceCheckState {
  readonly namespace: string
  readonly name: string
  /** Endpoints on this node that are ready. */
  readonly localEndpoints: number
}

/** What it is answered. */
export interface ServiceCheckAnswer {
  readonly code: 200 | 503
  readonly headers: Readonly<Record<string, string>>
  readonly body: object
}

/** kube-proxy's answer on a healthCheckNodePort, field by field. `proxyHealthy`: whether the proxy does its work at all;
 *  whether its node is about to go is no matter here, for sessions have to end by themselves. */
export function answerServiceCheck(
  { namespace, name, localEndpoints }: ServiceCheckState,
  proxyHealthy: boolean,
): ServiceCheckAnswer {
  return {
    code: localEndpoints > 0 && proxyHealthy ? 200 : 503,
    headers: { 'x-load-balancing-endpoint-weight': String(localEndpoints) },
    body: { service: { namespace, name }, localEndpoints, serviceProxyHealthy: proxyHealthy },
  }
}
