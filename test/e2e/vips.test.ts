import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { runCommand, startCommandIn } from '../support/command.ts'
import { eventually } from '../support/eventually.ts'
import { CLIENT, ENDPOINTS, NetLab, NODE, noNamespaces } from '../support/net-lab.ts'
import { labObjects, startLabProxy } from '../support/net-proxy.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'

const CLUSTER_IPS = { clusterIP: '10.96.0.10', clusterIPs: ['10.96.0.10', 'fd00:96::10'], ipFamilies: ['IPv4', 'IPv6'] }
const RANGES = ['--service-cluster-ip-range', '10.96.0.0/16,fd00:96::/112']
const OTHER = '10.99.0.1'

describe.skipIf(noNamespaces !== undefined)(`VIPs on a machine that lacks them${noNamespaces ? `: ${noNamespaces}` : ''}`, () => {
  let lab: NetLab
  beforeAll(async () => {
    lab = await NetLab.open()
    // Somebody else's, which must never be touched.
    await lab.node.ip('route', 'add', 'local', OTHER, 'dev', 'lo', 'proto', 'static')
  })
  afterAll(() => lab?.[Symbol.asyncDispose]())
  afterEach(async () => {
    const left = await made()
    // What a failed test left is not the next one's fault.
    await lab.node.ip('-4', 'route', 'flush', 'table', 'local', 'proto', '112')
    await lab.node.ip('-6', 'route', 'flush', 'table', 'local', 'proto', '112')
    await lab.node.ip('-6', 'addr', 'flush', 'dev', 'lo', 'scope', 'global')
    expect(left).toEqual([])
    expect(await lab.node.ip('route', 'show', 'table', 'local', 'type', 'local', 'dev', 'lo')).toContain(OTHER)
  })

  /** What portald has made on the node: routes, then addresses, without what all of them have. */
  async function made(): Promise<string[]> {
    const routes = await Promise.all(
      (['-4', '-6'] as const).map((family) => lab.node.ip(family, 'route', 'show', 'table', 'local', 'proto', '112')),
    )
    const addresses = await lab.node.ip('-6', '-o', 'addr', 'show', 'dev', 'lo', 'scope', 'global')
    return [
      ...routes.flatMap((text) => text.split('\n')).map((line) => /^local (\S+) dev lo/.exec(line)?.[1] ?? ''),
      ...addresses.split('\n').map((line) => /inet6 (\S+)/.exec(line)?.[1] ?? ''),
    ]
      .filter((text) => text !== '')
      .toSorted()
  }

  for (const engine of ['native', 'node'] as const) {
    /** What IPv6 takes beyond a route: the node engine cannot bind an address that no interface has. */
    const added = engine === 'node' ? ['fd00:96::10/128'] : []
    const flags = ['--engine', engine, ...RANGES]

    describe(`with the ${engine} engine`, () => {
      it('are made local where ranges and load balancers allow it, and taken back at the end', async () => {
        const objects = labObjects(
          'web',
          { ...CLUSTER_IPS, type: 'LoadBalancer', externalIPs: ['10.97.0.1', '8.8.8.8'], allocateLoadBalancerNodePorts: false },
          {},
          { status: { loadBalancer: { ingress: [{ ip: '10.98.0.1' }] } } },
        )
        await using proxy = await startLabProxy(lab, [...flags, '--external-ip-range', '10.97.0.0/24'], objects)
        expect(await made()).toEqual(['10.96.0.10', '10.97.0.1', '10.98.0.1', 'fd00:96::10', ...added].toSorted())
        expect(proxy.command.events('vip.mode')).toEqual([expect.objectContaining({ mode: 'anyip' })])
        expect(proxy.command.events('object.problem').map(({ msg }) => msg)).toEqual([
          expect.stringMatching(/externalIPs: "8\.8\.8\.8": is not an address of this machine.*outside of --external-ip-range/),
        ])
        for (const [family, ips] of [
          [4, ['10.96.0.10', '10.97.0.1', '10.98.0.1']],
          [6, ['fd00:96::10']],
        ] as const) {
          const source = family === 4 ? ['198.51.100.1', '203.0.113.1'] : ['2001:db8:2::1', '2001:db8:3::1']
          const answers = [`a ${source[0]}`, `b ${source[1]}`]
          for (const ip of ips) {
            expect([await lab.client.tcp(ip, 80), await lab.client.tcp(ip, 80)].toSorted()).toEqual(answers)
            // A connected socket: the answer came from the VIP.
            expect([await lab.client.udp(ip, 53), await lab.client.udp(ip, 53)].toSorted()).toEqual(answers)
          }
        }
        // From the node itself, too.
        expect(await lab.node.tcp('10.96.0.10', 80)).toMatch(/^[ab] /)
        expect(await lab.node.udp('fd00:96::10', 53)).toMatch(/^[ab] /)
        expect(await proxy.stop()).toBe(0)
      })

      it('answer on no nodePort, and are gone with their Service', async () => {
        const first = labObjects('web', { ...CLUSTER_IPS, type: 'NodePort' })
        const second = labObjects('api', { clusterIP: '10.96.0.11', type: 'NodePort' })
        await using proxy = await startLabProxy(lab, flags, first)
        // The addresses of the machine are read again, VIPs among them.
        proxy.command.process.kill('SIGHUP')
        await proxy.command.event('signal.received')
        proxy.apply([...first, ...second])
        await eventually(async () => expect(await lab.client.tcp('10.96.0.11', 80)).toMatch(/^[ab] /))
        const nodePorts = proxy.command.events('listener.opened').filter(({ kind }) => kind === 'nodePort')
        expect(nodePorts.filter(({ service }) => service === 'default/api').length).toBeGreaterThan(0)
        expect(nodePorts.filter(({ key }) => String(key).includes('fd00:96::10'))).toEqual([])
        proxy.apply(second)
        await eventually(async () => expect(await made()).toEqual(['10.96.0.11']))
        proxy.apply([...first, ...second])
        await eventually(async () => expect(await lab.client.tcp('fd00:96::10', 80)).toMatch(/^[ab] /))
        expect(await proxy.stop()).toBe(0)
      })

      it('stay for the TCP sessions that still run to them when their Service is gone', async () => {
        const keeping = labObjects('api', { clusterIP: '10.96.0.11' })
        await using proxy = await startLabProxy(lab, flags, [...labObjects('web', CLUSTER_IPS), ...keeping])
        expect(await lab.client.ask({ do: 'hold', ip: '10.96.0.10', port: 80 })).toMatch(/^[ab] /)
        proxy.apply(keeping)
        await eventually(() => expect(proxy.command.events('listener.closed').length).toBeGreaterThanOrEqual(4))
        await eventually(async () => expect(await made()).toEqual(['10.96.0.10', '10.96.0.11']))
        expect(await lab.client.ask({ do: 'say', text: 'still there' })).toBe('still there')
        expect(await lab.client.tcp('10.96.0.10', 80)).toBe('error ECONNREFUSED')
        await lab.client.ask({ do: 'let-go' })
        await eventually(() => {
          // Looked at now instead of in half a minute.
          proxy.command.process.kill('SIGHUP')
          return made().then((left) => expect(left).toEqual(['10.96.0.11']))
        })
        expect(await proxy.stop()).toBe(0)
      })

      it('refuse clients while their Service has no endpoint', async () => {
        const [service] = labObjects('web', CLUSTER_IPS)
        await using proxy = await startLabProxy(lab, flags, [service])
        expect(await lab.client.tcp('10.96.0.10', 80)).toBe('error ECONNREFUSED')
        expect(await lab.client.udp('fd00:96::10', 53)).toBe('error ECONNREFUSED')
        expect(await proxy.stop()).toBe(0)
      })

      it('that a killed instance left are taken over by the next one, or removed', async () => {
        const [web, api] = [labObjects('web', CLUSTER_IPS), labObjects('api', { clusterIP: '10.96.0.11' })]
        {
          await using killed = await startLabProxy(lab, flags, [...web, ...api])
          killed.command.process.kill('SIGKILL')
          await killed.command.exit
        }
        const left = ['10.96.0.10', '10.96.0.11', 'fd00:96::10', ...added].toSorted()
        expect(await made()).toEqual(left)
        await using next = await startLabProxy(lab, flags, web)
        await eventually(async () => expect(await made()).toEqual(left.filter((ip) => ip !== '10.96.0.11')))
        expect(await lab.client.tcp('fd00:96::10', 80)).toMatch(/^[ab] /)
        expect(await next.stop()).toBe(0)
      })

      it('that two instances need stay until the second one ends', async () => {
        const ports = (port: number) => ({ ...CLUSTER_IPS, ports: [{ name: 'web', port }] })
        await using first = await startLabProxy(lab, flags, labObjects('web', ports(80)))
        await using second = await startLabProxy(lab, flags, labObjects('web', ports(81)))
        expect(await lab.client.tcp('fd00:96::10', 80)).toMatch(/^[ab] /)
        expect(await first.stop()).toBe(0)
        expect(await made()).toEqual(['10.96.0.10', 'fd00:96::10', ...added].toSorted())
        for (const ip of ['10.96.0.10', 'fd00:96::10']) expect(await lab.client.tcp(ip, 81)).toMatch(/^[ab] /)
        expect(await second.stop()).toBe(0)
      })

      it('are left to others with --vip-mode present', async () => {
        await using lab = await NetLab.open()
        await using proxy = await startLabProxy(lab, [...flags, '--vip-mode', 'present'], labObjects('web', CLUSTER_IPS))
        expect(proxy.command.events('listener.failed').length).toBe(4)
        await lab.node.ip('route', 'add', 'local', '10.96.0.0/16', 'dev', 'lo', 'proto', 'static')
        await eventually(async () => expect(await lab.client.tcp('10.96.0.10', 80)).toMatch(/^[ab] /))
        const routes = await lab.node.ip('route', 'show', 'table', 'local', 'proto', '112')
        expect({ routes, code: await proxy.stop() }).toEqual({ routes: '', code: 0 })
      })
    })
  }

  it('are made again where somebody took them away', async () => {
    await using proxy = await startLabProxy(lab, RANGES, labObjects('web', CLUSTER_IPS))
    await lab.node.ip('route', 'flush', 'table', 'local', 'proto', '112')
    expect(await made()).toEqual(['fd00:96::10'])
    proxy.command.process.kill('SIGHUP')
    await eventually(async () => expect(await lab.client.tcp('10.96.0.10', 80)).toMatch(/^[ab] /))
    expect(await proxy.stop()).toBe(0)
  })

  it('need no route of ours with --vip-mode freebind, only one of somebody', async () => {
    await using lab = await NetLab.open()
    const flags = ['--vip-mode', 'freebind', '--engine', 'native', ...RANGES]
    await using proxy = await startLabProxy(lab, flags, labObjects('web', CLUSTER_IPS))
    expect(proxy.command.events('listener.failed')).toEqual([])
    for (const range of ['10.96.0.0/16', 'fd00:96::/112']) {
      await lab.node.ip('route', 'add', 'local', range, 'dev', 'lo', 'table', 'local')
    }
    for (const ip of ['10.96.0.10', 'fd00:96::10']) {
      expect(await lab.client.tcp(ip, 80)).toMatch(/^[ab] /)
      expect(await lab.client.udp(ip, 53)).toMatch(/^[ab] /)
    }
    const routes = await lab.node.ip('route', 'show', 'table', 'local', 'proto', '112')
    expect({ routes, code: await proxy.stop() }).toEqual({ routes: '', code: 0 })
  })

  it('that a killed instance left are removed by cleanup, and those of a running one are not', async () => {
    const cleanup = async () => {
      await using command = startCommandIn(lab.node.namespace, ['cleanup'])
      return { code: (await command.exit).code, lines: command.out().trim().split('\n').toSorted() }
    }
    const objects = labObjects('web', CLUSTER_IPS)
    await using killed = await startLabProxy(lab, ['--engine', 'node', ...RANGES], objects)
    expect(await cleanup()).toEqual({
      code: 0,
      lines: ['left 10.96.0.10: a running instance needs it', 'left fd00:96::10: a running instance needs it'],
    })
    expect(await lab.client.tcp('10.96.0.10', 80)).toMatch(/^[ab] /)
    killed.command.process.kill('SIGKILL')
    await killed.command.exit
    expect(await cleanup()).toEqual({ code: 0, lines: ['removed 10.96.0.10', 'removed fd00:96::10'] })
    expect(await cleanup()).toEqual({ code: 0, lines: ['nothing to remove'] })
  })

  it('cannot be made local without CAP_NET_ADMIN: auto says so, anyip does not start', async () => {
    const start = (mode: string) => {
      const drop = ['setpriv', '--bounding-set', '-net_admin', '--inh-caps', '-net_admin']
      return startCommandIn(lab.node.namespace, ['run', '--vip-mode', mode, '--file', '/nowhere.yaml'], drop)
    }
    await using anyip = start('anyip')
    expect((await anyip.exit).code).toBe(1)
    expect(anyip.err()).toContain('portald: --vip-mode anyip: CAP_NET_ADMIN is missing; leave it at auto, or see docs/vips.md\n')
    await using auto = start('auto')
    expect(await auto.event('vip.mode')).toMatchObject({
      mode: 'present',
      msg: expect.stringContaining('CAP_NET_ADMIN is missing'),
    })
  })

  it('are not removed without CAP_NET_ADMIN, and cleanup says so', async () => {
    const leftover = ['local', '10.96.0.200/32', 'dev', 'lo', 'table', 'local', 'proto', '112', 'metric', '11297']
    await lab.node.ip('route', 'add', ...leftover)
    const drop = ['setpriv', '--bounding-set', '-net_admin', '--inh-caps', '-net_admin']
    await using cleanup = startCommandIn(lab.node.namespace, ['cleanup'], drop)
    expect((await cleanup.exit).code).toBe(1)
    expect(cleanup.out()).toBe('failed 10.96.0.200: Operation not permitted\n')
    expect(cleanup.err()).toBe('removing them needs CAP_NET_ADMIN: run it as root\n')
    await lab.node.ip('route', 'del', ...leftover)
  })

  it('keep the source address of clients where a Service asks for it', async () => {
    await using lab = await NetLab.open()
    // What the endpoints answer to clients must come back to us instead of being forwarded.
    const rules = (['-4', '-6'] as const).flatMap((family) =>
      ['to-a', 'to-b'].flatMap((device) =>
        ['tcp', 'udp'].map((protocol) => [family, 'rule', 'iif', device, 'ipproto', protocol, 'sport', '9000', 'lookup', '100']),
      ),
    )
    const objects = labObjects('web', CLUSTER_IPS, { 'portald.io/source-address': 'transparent' })
    expect(await doctorOn(lab, objects)).toMatchObject({
      status: 'fail',
      found: expect.stringContaining(`answers are not delivered here from ${ENDPOINTS[4][0]}:9000/TCP`),
      fix: expect.stringContaining('"iif to-a ipproto tcp sport 9000"'),
    })
    for (const [family, object, ...rule] of rules) await lab.node.ip(family as string, object as string, 'add', ...rule)
    for (const family of ['-4', '-6']) await lab.node.ip(family, 'route', 'add', 'local', 'default', 'dev', 'lo', 'table', '100')
    expect(await doctorOn(lab, objects)).toMatchObject({
      status: 'ok',
      found: 'answers of 8 endpoints are delivered here',
    })
    {
      await using proxy = await startLabProxy(lab, ['--engine', 'native', ...RANGES], objects)
      expect(proxy.command.events('object.problem')).toEqual([])
      for (const [family, ip] of [
        [4, '10.96.0.10'],
        [6, 'fd00:96::10'],
      ] as const) {
        const answers = ['a', 'b'].map((name) => `${name} ${CLIENT[family]}`)
        expect([await lab.client.tcp(ip, 80), await lab.client.tcp(ip, 80)].toSorted()).toEqual(answers)
        expect([await lab.client.udp(ip, 53), await lab.client.udp(ip, 53)].toSorted()).toEqual(answers)
        // A client on the node has one of the node's addresses.
        expect(await lab.node.tcp(ip, 80)).toMatch(new RegExp(`^[ab] ${NODE[family]}$`))
      }
      expect(await lab.client.ask({ do: 'hold', ip: '10.96.0.10', port: 80 })).toMatch(new RegExp(`^[ab] ${CLIENT[4]}$`))
      expect(await lab.client.ask({ do: 'say', text: 'both ways' })).toBe('both ways')
      await lab.client.ask({ do: 'let-go' })
      expect(await proxy.stop()).toBe(0)
    }
    await using other = await startLabProxy(lab, ['--engine', 'node', ...RANGES], objects)
    expect(other.command.events('object.problem').map(({ code }) => code)).toEqual(['source-address'])
    expect(await lab.client.tcp('10.96.0.10', 80)).toMatch(/^(a 198\.51\.100\.1|b 203\.0\.113\.1)$/)
    expect(await other.stop()).toBe(0)
  })

  it('are a matter of the native engine with --vip-mode freebind', async () => {
    const { code, err } = await runCommand(['run', '--engine', 'node', '--vip-mode', 'freebind', '--file', ENDPOINTS[4][0]])
    expect({ code, err: err.split('\n').at(-2) }).toEqual({
      code: 1,
      err: 'portald: --vip-mode freebind: needs the native engine; leave it at auto, or see docs/vips.md',
    })
  })
})

/** What `doctor` says on the lab's node of Services whose endpoints are to see the clients. */
async function doctorOn(lab: NetLab, objects: readonly unknown[]): Promise<unknown> {
  using folder = makeTemporaryFolder()
  const file = join(folder.path, 'objects.json')
  writeFileSync(file, JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }))
  await using command = startCommandIn(lab.node.namespace, ['doctor', '--json', '--engine', 'native', '--file', file, ...RANGES])
  await command.exit
  const { checks } = JSON.parse(command.out()) as { checks: readonly { readonly name: string }[] }
  return checks.find(({ name }) => name === 'transparent')
}
