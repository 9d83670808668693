import { expect, it } from 'vitest'
import { sayName, TcpEndpoint, UdpEndpoint } from '../support/echo.ts'
import { aService, aSlice, type Json } from '../support/objects.ts'
import { describeOnEngines, type World } from '../support/world.ts'

const IP = '127.132.9.1'
const [HTTP, HTTPS, DNS] = [`${IP}:8080`, `${IP}:8443`, `${IP}:5353`]
const HOSTS = { a: '127.132.9.101', b: '127.132.9.102', c: '127.132.9.103' }
const client = (n: number) => `127.132.9.${200 + n}`

const service = (annotations: Json) =>
  aService(
    'web',
    {
      clusterIP: IP,
      sessionAffinity: 'ClientIP',
      ports: [
        { name: 'http', port: 8080 },
        { name: 'https', port: 8443 },
        { name: 'dns', port: 5353, protocol: 'UDP' },
      ],
    },
    { annotations },
  )

/** A host that answers with its name on all three ports. */
async function openHost(world: World, name: string, ip: string): Promise<Json> {
  const http = await world.keep(TcpEndpoint.open(ip, `say ${name}, echo`))
  const https = await world.keep(TcpEndpoint.open(ip, `say ${name}, echo`))
  const dns = await world.keep(UdpEndpoint.open(ip, sayName(name)))
  const ports = [
    { name: 'http', port: http.address.port },
    { name: 'https', port: https.address.port },
    { name: 'dns', port: dns.address.port, protocol: 'UDP' },
  ]
  return aSlice('web', [ip], { name: `web-${name}`, ports })
}

describeOnEngines('affinity of a whole Service', '127.132.9', (open) => {
  it('takes a client to the same host on every port, until that leaves', async () => {
    await using world = await open({ inputs: { workers: 4 } })
    const slices = await Promise.all(Object.entries(HOSTS).map(([name, ip]) => openHost(world, name, ip)))
    const annotations = { 'portald.io/affinity-scope': 'service' }
    await world.apply(service(annotations), slices)
    const hosts: string[] = []
    for (let n = 0; n < 6; n++) {
      const host = await world.ask(HTTP, client(n))
      hosts.push(host)
      expect(await world.ask(HTTPS, client(n))).toBe(host)
      expect(`${await (await world.udpClient(DNS, client(n))).askAgain('who')}`).toBe(host)
    }
    expect([...hosts].sort().join('')).toBe('aabbcc')
    await world.apply(service(annotations), slices.slice(1))
    for (const [n, host] of hosts.entries()) {
      const now = await world.ask(HTTPS, client(n))
      if (host === 'a') expect(['b', 'c']).toContain(now)
      else expect(now).toBe(host)
      expect(await world.ask(HTTP, client(n))).toBe(now)
    }
  })

  it('takes the clients of one network to the same host', async () => {
    await using world = await open()
    const slices = await Promise.all(Object.entries(HOSTS).map(([name, ip]) => openHost(world, name, ip)))
    await world.apply(service({ 'portald.io/client-prefix': '30,64' }), slices)
    const hosts = await Promise.all([0, 1, 2, 3].map((n) => world.ask(HTTP, client(n))))
    expect(new Set(hosts).size).toBe(1)
    // 127.132.9.204 is in the next network, and it is the next host's turn.
    expect(hosts).not.toContain(await world.ask(HTTP, client(4)))
  })
})
