import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startCommandIn } from '../support/command.ts'
import { eventually } from '../support/eventually.ts'
import { ENDPOINTS, NetLab } from '../support/net-lab.ts'
import { type LabProxy, startLabProxy } from '../support/net-proxy.ts'
import { aService, aSlice, type Json } from '../support/objects.ts'
import { buildSctpPeer, noSctpLab, SctpPeer } from '../support/sctp-lab.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'

const VIP = '10.96.0.10'
const VIP6 = 'fd00:96::10'
const OTHER_VIP = '10.96.0.11'
const PORT = 3868
const ENDPOINT_PORT = 9000
const RANGES = ['--service-cluster-ip-range', '10.96.0.0/16,fd00:96::/112']
const LOST_MS = 2_500

const built = buildSctpPeer()
const missing = noSctpLab() ?? ('missing' in built ? built.missing : undefined)
const program = 'program' in built ? built.program : ''

/** A Service with one SCTP port, and endpoints in each family. */
function objectsOf(name: string, spec: Json, hosts: readonly number[], annotations: Json = {}): readonly Json[] {
  const ports = [{ name: 'd', port: ENDPOINT_PORT, protocol: 'SCTP' }]
  const slice = (family: 4 | 6) => {
    const addresses = hosts.map((n) => ENDPOINTS[family][n] as string)
    return aSlice(name, addresses, { name: `${name}-${family}`, ports, addressType: `IPv${family}` })
  }
  const service = aService(name, { ports: [{ name: 'd', port: PORT, protocol: 'SCTP' }], ...spec }, { annotations })
  return hosts.length > 0 ? [service, slice(4), slice(6)] : [service]
}

const DUAL = { clusterIP: VIP, clusterIPs: [VIP, VIP6], ipFamilies: ['IPv4', 'IPv6'] }

describe.skipIf(missing !== undefined)(`SCTP between real peers${missing ? `: ${missing}` : ''}`, () => {
  let lab: NetLab
  const servers: SctpPeer[] = []
  const folder = makeTemporaryFolder()
  const accessLog = join(folder.path, 'access.log')

  beforeAll(async () => {
    lab = await NetLab.open()
    for (const [n, name] of (['a', 'b'] as const).entries()) {
      for (const family of [4, 6] as const) servers.push(serve(name, n, family))
    }
    for (const server of servers) await server.said('listening')
  })
  afterAll(async () => {
    for (const server of servers) await server[Symbol.asyncDispose]()
    await lab?.[Symbol.asyncDispose]()
    folder[Symbol.dispose]()
  })

  const serve = (name: string, n: number, family: 4 | 6) =>
    SctpPeer.start(program, lab.endpoints[n as 0 | 1], 'serve', name, ENDPOINTS[family][n] as string, ENDPOINT_PORT)
  const client = (...words: readonly (string | number)[]) => SctpPeer.run(program, lab.client, ...words)
  const hold = (vip = VIP, localPort = 0) => SctpPeer.start(program, lab.client, 'hold', vip, PORT, localPort)
  const start = (objects: readonly unknown[], ...flags: readonly string[]): Promise<LabProxy> =>
    startLabProxy(lab, ['--engine', 'native', '--access-log', accessLog, ...RANGES, ...flags], objects)
  /** Access lines so far, newest last. */
  const lines = () =>
    readFileSync(accessLog, 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Record<string, unknown>)
  const lastEnds = (count: number) =>
    eventually(() => {
      const ends = lines().map(({ end }) => end)
      expect(ends.length).toBeGreaterThanOrEqual(count)
      return ends.slice(-count)
    })
  /** Waits for the end of a session that begins from now on. */
  const nextEnd = () => {
    const before = lines().length
    return () =>
      eventually(() => {
        expect(lines().length).toBeGreaterThan(before)
        return lines()[before]?.['end']
      })
  }

  it.each([
    ['IPv4', VIP],
    ['IPv6', VIP6],
  ])('passes messages of 8 B to 200 kB on as they are, over %s', async (_, vip) => {
    await using _proxy = await start(objectsOf('dia', DUAL, [0, 1]))
    expect(await client('echo', vip, PORT, 110)).toEqual(['echoed 110 of 110, wrong 0'])
    await lastEnds(1)
    const line = lines().at(-1)
    expect(line).toMatchObject({ protocol: 'SCTP', service: 'default/dia:d/SCTP', attempts: 1, end: 'client-closed' })
    // What was lost on the way and sent again counts, too.
    expect(line?.['bytesFromClient']).toBeGreaterThanOrEqual(2_800_000)
    expect(line?.['datagramsFromEndpoint']).toBeGreaterThanOrEqual(110)
  })

  it('cuts what is too long for the way to the endpoint', async () => {
    await using _proxy = await start(objectsOf('dia', DUAL, [0]))
    // One way only: the endpoint's own stack gives up where its interface carries less than it thinks.
    const setMtu = async (mtu: string) => {
      await lab.node.ip('link', 'set', 'to-a', 'mtu', mtu)
      await lab.endpoints[0].ip('link', 'set', 'up0', 'mtu', mtu)
    }
    await setMtu('1300')
    try {
      for (const vip of [VIP, VIP6]) {
        const [said] = await client('flood', vip, PORT, 500, 1_400)
        expect(said).toContain('the reader counts 500 in')
      }
    } finally {
      await setMtu('1500')
    }
  })

  it('carries 100 associations at once', async () => {
    await using _proxy = await start(objectsOf('dia', DUAL, [0, 1]))
    expect(await client('many', VIP, PORT, 100)).toEqual(['right 100 of 100'])
  })

  it('passes ABORT and SHUTDOWN of either side on', async () => {
    await using _proxy = await start(objectsOf('dia', DUAL, [0]))
    let end = nextEnd()
    expect(await client('order', VIP, PORT, 'A')).toEqual(['association up', 'association lost', 'ended'])
    expect(await end()).toBe('endpoint-reset')
    end = nextEnd()
    expect(await client('order', VIP, PORT, 'C')).toEqual(['association up', 'association shut down', 'ended'])
    expect(await end()).toBe('endpoint-closed')
    for (const [order, there, ended] of [
      ['abort', 'association lost', 'client-reset'],
      ['shutdown', 'association shut down', 'client-closed'],
    ] as const) {
      end = nextEnd()
      const server = servers[0] as SctpPeer
      const before = server.lines().filter((line) => line === there).length
      await using peer = hold()
      peer.tell('say hello')
      await peer.said('heard hello')
      peer.tell(order)
      expect(await end()).toBe(ended)
      await eventually(() => expect(server.lines().filter((line) => line === there).length).toBe(before + 1))
    }
  })

  it('holds nothing back for a reader that is blocked: its sender waits', async () => {
    await using proxy = await start(objectsOf('dia', DUAL, [0]))
    await client('echo', VIP, PORT, 44)
    const before = rss(proxy)
    const said = client('flood', VIP, PORT, 30_000, 1_000, 'Z')
    let most = 0
    const watched = said.then(() => true)
    while (!(await Promise.race([watched, new Promise<false>((resolve) => setTimeout(() => resolve(false), 100))]))) {
      most = Math.max(most, rss(proxy))
    }
    expect((await said)[0]).toContain('the reader counts 30000')
    expect(most - before).toBeLessThan(20e6)
  })

  it('takes the next endpoint when one is dead, before the client asks again', async () => {
    // Nobody speaks SCTP at the third address, and nobody is at the fourth.
    const dead = aSlice('dia', [ENDPOINTS[4][0], '198.51.100.77', '203.0.113.77'], {
      ports: [{ name: 'd', port: ENDPOINT_PORT, protocol: 'SCTP' }],
    })
    const [service] = objectsOf('dia', { clusterIP: VIP }, [])
    await using _proxy = await start([service, dead])
    const answers = await client('who', VIP, PORT, 6)
    expect(answers).toHaveLength(6)
    for (const answer of answers) {
      const [, name, ms] = /^name (\w) after (\d+) ms$/.exec(answer) ?? []
      expect(name).toBe('a')
      // By itself it would ask again after 3 s.
      expect(Number(ms)).toBeLessThan(LOST_MS)
    }
    await lastEnds(6)
    const attempts = lines()
      .slice(-6)
      .map((line) => line['attempts'] as number)
    expect(Math.max(...attempts)).toBeGreaterThan(1)
  })

  it('gives a client that begins anew from its port to the same endpoint, which notices', async () => {
    await using _proxy = await start(objectsOf('dia', DUAL, [0]))
    const server = servers[0] as SctpPeer
    {
      await using first = hold(VIP, 45_001)
      first.tell('say one')
      await first.said('heard one')
      first.tell('die')
      await first.ended()
    }
    await using second = hold(VIP, 45_001)
    second.tell('say two')
    await second.said('heard two')
    await server.said('association restarted')
  })

  it('ends the associations of an endpoint that left, where that is asked for', async () => {
    const cut = { 'portald.io/on-endpoint-removed': 'cut' }
    await using proxy = await start(objectsOf('dia', DUAL, [0], cut))
    const server = servers[0] as SctpPeer
    await using peer = hold()
    peer.tell('say hello')
    await peer.said('heard hello')
    const lost = server.lines().filter((line) => line === 'association lost').length
    proxy.apply(objectsOf('dia', DUAL, [1], cut))
    await peer.said('association lost')
    await eventually(() => expect(server.lines().filter((line) => line === 'association lost').length).toBe(lost + 1))
    expect(await client('who', VIP, PORT, 1)).toEqual([expect.stringMatching(/^name b /)])
    proxy.apply(objectsOf('dia', DUAL, [], cut))
    await proxy.command.event('listener.parked')
    expect(await client('who', VIP, PORT, 1)).toEqual(['refused Connection refused'])
  })

  it('tells both sides of associations that a proxy left which was killed', async () => {
    const server = servers[0] as SctpPeer
    const objects = objectsOf('dia', DUAL, [0])
    let proxy = await start(objects)
    try {
      await using peer = hold()
      // It answers in three seconds, when there is another proxy.
      peer.tell('say Z')
      await peer.said('association up')
      peer.tell('say hello')
      await using other = hold()
      other.tell('say ready')
      await other.said('heard ready')
      const lost = server.lines().filter((line) => line === 'association lost').length
      await proxy[Symbol.asyncDispose]()
      proxy = await start(objects)
      other.tell('say still there?')
      await other.said('association lost')
      await eventually(() => expect(server.lines().filter((line) => line === 'association lost').length).toBe(lost + 1))
    } finally {
      await proxy[Symbol.asyncDispose]()
    }
    // Both sides are free for new ones.
    await using _next = await start(objects)
    expect(await client('who', VIP, PORT, 1)).toEqual([expect.stringMatching(/^name a /)])
  })

  it('keeps Services apart that have one port on two addresses', async () => {
    const one = objectsOf('one', { clusterIP: VIP }, [0])
    const two = objectsOf('two', { clusterIP: OTHER_VIP }, [1])
    await using _proxy = await start([...one, ...two])
    expect(await client('who', VIP, PORT, 2)).toEqual(Array(2).fill(expect.stringMatching(/^name a /)))
    expect(await client('who', OTHER_VIP, PORT, 2)).toEqual(Array(2).fill(expect.stringMatching(/^name b /)))
  })

  it('drains: associations go on, new ones are refused, and at the deadline both sides are told', async () => {
    const proxy = await start(objectsOf('dia', DUAL, [0]), '--drain-timeout', '2s')
    try {
      await using peer = hold()
      peer.tell('say hello')
      await peer.said('heard hello')
      const stopped = proxy.stop()
      await eventually(async () => expect(await client('who', VIP, PORT, 1)).toEqual(['refused Connection refused']))
      peer.tell('say still')
      await peer.said('heard still')
      await peer.said('association lost')
      expect(await stopped).toBe(0)
      expect(await lastEnds(1)).toEqual(['drained'])
    } finally {
      await proxy[Symbol.asyncDispose]()
    }
  })

  it('does not have the kernel say that it knows no such protocol', async () => {
    await using _proxy = await start(objectsOf('dia', DUAL, [0]))
    const before = unreachables()
    expect(await client('who', VIP, PORT, 3)).toHaveLength(3)
    expect(before).toBeGreaterThanOrEqual(0)
    expect(unreachables()).toBe(before)
  })

  /** Messages "destination unreachable" that the node has sent. */
  function unreachables(): number {
    const text = execFileSync('ip', ['netns', 'exec', lab.node.namespace, 'cat', '/proc/net/snmp'], { encoding: 'utf8' })
    const [names, values] = text
      .split('\n')
      .filter((line) => line.startsWith('Icmp:'))
      .map((line) => line.split(' '))
    return Number(values?.[names?.indexOf('OutDestUnreachs') ?? -1])
  }

  it('is a problem of its own port only, where the rights for it are missing', async () => {
    const both = aService('dia', {
      clusterIP: VIP,
      ports: [
        { name: 'd', port: PORT, protocol: 'SCTP' },
        { name: 'web', port: 80 },
      ],
    })
    const slice = aSlice('dia', [ENDPOINTS[4][0]], {
      ports: [
        { name: 'd', port: ENDPOINT_PORT, protocol: 'SCTP' },
        { name: 'web', port: ENDPOINT_PORT },
      ],
    })
    const file = join(folder.path, 'both.json')
    writeFileSync(file, JSON.stringify({ apiVersion: 'v1', kind: 'List', items: [both, slice] }))
    const without = ['setpriv', '--bounding-set', '-net_raw', '--inh-caps', '-net_raw']
    const off = ['--metrics-bind-address', '', '--healthz-bind-address', '']
    await using command = startCommandIn(lab.node.namespace, ['run', '--file', file, ...off, ...RANGES], without)
    await command.event('proxy.ready')
    expect(command.events('object.problem').map(({ msg }) => msg)).toEqual([
      expect.stringContaining('spec.ports[0].protocol: "SCTP": is not served: it needs CAP_NET_RAW; see docs/sctp.md'),
    ])
    expect(await lab.client.tcp(VIP, 80)).toMatch(/^a /)
  })
})

/** Bytes of memory that a proxy has. */
function rss(proxy: LabProxy): number {
  const status = readFileSync(`/proc/${proxy.command.process.pid}/status`, 'utf8')
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) * 1024
}
