/** The Service `default/web` on port 8080 of an address, with endpoints on these ports of this machine, in a file. */
export function listObjects(ip: string, ports: readonly number[]): string {
  return JSON.stringify({ apiVersion: 'v1', kind: 'List', items: serviceObjects(ip, ports) })
}

/** The same as objects. */
export function serviceObjects(ip: string, ports: readonly number[]): object[] {
  return [
    { apiVersion: 'v1', kind: 'Service', metadata: { name: 'web' }, spec: { clusterIP: ip, ports: [{ port: 8080 }] } },
    ...ports.map((port) => ({
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { name: `web-${port}`, labels: { 'kubernetes.io/service-name': 'web' } },
      addressType: 'IPv4',
      ports: [{ port }],
      endpoints: [{ addresses: ['127.0.0.1'] }],
    })),
  ]
}
