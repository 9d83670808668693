import { writeFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { manualClock } from '../../src/lib/clock.ts'
import { seededRandom } from '../../src/lib/random.ts'
import { eventually } from '../support/eventually.ts'
import { type FakeApiOptions, FakeApiServer, refuse, SERVICES, SLICES } from '../support/fake-api-server.ts'
import { followCluster } from '../support/followed-cluster.ts'
import { aService, aSlice, type Json, someEndpoints } from '../support/objects.ts'

const IP = '127.91.1.1'
const open = (options: Partial<FakeApiOptions> = {}) => FakeApiServer.open({ ip: IP, ...options })
const WEB = ['EndpointSlice default/web-1', 'Service default/web']
const web = [aService('web'), aSlice('web', ['10.1.0.1'])]
const node = (labels: Json = {}): Json => ({ apiVersion: 'v1', kind: 'Node', metadata: { name: 'node-1', labels } })
const addressesOf = (slice: Json) => (slice['endpoints'] as { addresses: string[] }[]).flatMap(({ addresses }) => addresses)

describe.each([{ watchLists: false }, { watchLists: true }])('a cluster (watch lists: $watchLists)', ({ watchLists }) => {
  it('is read whole, and then followed', async () => {
    await using api = await open({ watchLists })
    api.put([...web, node({ zone: 'a' })])
    await using cluster = followCluster(api.kubeconfig())
    await cluster.holds('Node node-1', ...WEB)
    expect(cluster.object('Service default/web')).toMatchObject({
      apiVersion: 'v1',
      kind: 'Service',
      spec: { clusterIP: '10.0.0.1' },
    })
    await eventually(() => expect(api.watching).toBe(3))
    api.put([aSlice('web', ['10.1.0.1', '10.1.0.2'])])
    await eventually(() => expect(addressesOf(cluster.object('EndpointSlice default/web-1'))).toEqual(['10.1.0.1', '10.1.0.2']))
    api.remove(aSlice('web', []))
    await cluster.holds('Node node-1', 'Service default/web')
    expect(cluster.statuses.flatMap(({ problems }) => problems)).toEqual([])
    expect(api.asked(SERVICES, 'list')).toHaveLength(watchLists ? 0 : 1)
  })

  it('whose watches are cut catches up with what changed meanwhile, without another list', async () => {
    await using api = await open({ watchLists })
    api.put(web)
    await using cluster = followCluster(api.kubeconfig())
    await cluster.holds(...WEB)
    await eventually(() => expect(api.watching).toBe(3))
    const whole = api.hits.filter(({ query }) => query.has('sendInitialEvents') || query.get('limit') === '500').length
    for (let round = 0; round < 5; round++) {
      api.put([aService(`s${round}`)], { silently: true })
      api.remove(round === 0 ? aSlice('web', []) : aService(`s${round - 1}`), { silently: true })
      api.cut()
      await cluster.holds(`Service default/s${round}`, 'Service default/web')
      await eventually(() => expect(api.watching).toBe(3))
    }
    const again = api.hits.filter(({ query }) => query.has('sendInitialEvents') || query.get('limit') === '500').length
    expect(again).toBe(whole)
  })

  it('that has forgotten what changed is read again at once, in one step', async () => {
    await using api = await open({ watchLists })
    api.put(web)
    await using cluster = followCluster(api.kubeconfig(), { random: seededRandom(1) })
    await cluster.holds(...WEB)
    await eventually(() => expect(api.watching).toBe(3))
    const updates = cluster.updates
    api.remove(aService('web'), { silently: true })
    api.put([aService('api'), aService('db')], { silently: true })
    api.compact()
    api.cut()
    await cluster.holds('EndpointSlice default/web-1', 'Service default/api', 'Service default/db')
    expect(cluster.updates).toBe(updates + 1)
  })

  it('that comes back from a backup is taken as it is, though it is silent about it', async () => {
    await using api = await open({ watchLists })
    api.put(web)
    api.put([aService('late')])
    await using cluster = followCluster(api.kubeconfig())
    await cluster.holds(...WEB, 'Service default/late')
    await eventually(() => expect(api.watching).toBe(3))
    api.restore(web, 20)
    api.cut()
    await cluster.holds(...WEB)
  })
})

describe('a cluster', () => {
  it('is asked for pages, and nothing of it counts before all kinds are whole', async () => {
    await using api = await open({ gzip: true })
    const services = Array.from({ length: 1201 }, (_, n) => aService(`s${n}`))
    api.put([...services, aSlice('s1', ['10.1.0.1'])])
    let release = (): void => {}
    api.next(SLICES, 'list', (_request, response) => {
      release = () => response.destroy()
    })
    await using cluster = followCluster(api.kubeconfig())
    await eventually(() =>
      expect(api.asked(SERVICES, 'list').map(({ query }) => query.get('continue'))).toEqual([null, '500', '1000']),
    )
    await eventually(() => expect(api.asked(SERVICES, 'watch').length).toBeGreaterThan(1))
    expect(cluster.names()).toEqual([])
    release()
    await eventually(() => expect(cluster.names()).toHaveLength(1202))
    expect(cluster.updates).toBeGreaterThan(1)
    expect(cluster.statuses.filter(({ synced }) => synced)).toHaveLength(1)
  })

  it('whose page has expired is listed from the start', async () => {
    await using api = await open()
    const services = Array.from({ length: 700 }, (_, n) => aService(`s${n}`))
    api.put(services)
    api.next(SERVICES, 'page', (_request, response) => {
      api.remove(services[3] as Json)
      refuse(response, 410, 'The provided continue parameter is too old')
    })
    await using cluster = followCluster(api.kubeconfig())
    await eventually(() => expect(cluster.names()).toHaveLength(699))
    expect(cluster.names()).not.toContain('Service default/s3')
  })

  it('whose pages always expire is listed in one piece', async () => {
    await using api = await open()
    api.put(Array.from({ length: 700 }, (_, n) => aService(`s${n}`)))
    for (let n = 0; n < 2; n++) api.next(SERVICES, 'page', (_request, response) => refuse(response, 410, 'too old'))
    await using cluster = followCluster(api.kubeconfig())
    await eventually(() => expect(cluster.names()).toHaveLength(700))
    expect(api.asked(SERVICES, 'list').at(-1)?.query.has('limit')).toBe(false)
  })

  it('without slices of today is asked for older ones, and without any for Endpoints', async () => {
    await using old = await open({ endpoints: 'v1beta1' })
    old.put(web)
    await using cluster = followCluster(old.kubeconfig())
    await cluster.holds(...WEB)
    expect(cluster.object('EndpointSlice default/web-1')['apiVersion']).toBe('discovery.k8s.io/v1beta1')
    await using oldest = await open({ endpoints: 'endpoints' })
    oldest.put([aService('web'), someEndpoints('web', { addresses: [{ ip: '10.1.0.1' }], ports: [{ port: 80 }] })])
    await using other = followCluster(oldest.kubeconfig())
    await other.holds('Endpoints default/web', 'Service default/web')
  })

  it('is followed through a stream that is cut at any byte, also inside of a character', async () => {
    await using api = await open()
    api.put(web)
    await using cluster = followCluster(api.kubeconfig())
    await cluster.holds(...WEB)
    const event = (n: number): Buffer => {
      const object = aService('café', { externalIPs: [`10.9.0.${n}`] }, { namespace: 'default', resourceVersion: `${200 + n}` })
      return Buffer.from(`${JSON.stringify({ type: 'MODIFIED', object })}\n`)
    }
    const length = event(0).length
    for (let at = 1, n = 1; at < length; at += 7, n = (n % 200) + 1) {
      await eventually(() => expect(api.watching).toBe(3))
      api.version = 200 + n
      const bytes = event(n)
      const watched = api.asked(SERVICES, 'watch').length
      api.say(SERVICES, bytes.subarray(0, at))
      api.cut()
      await eventually(() => {
        expect(api.asked(SERVICES, 'watch').length).toBeGreaterThan(watched)
        expect(api.watching).toBe(3)
      })
      expect(cluster.names()).toEqual(n === 1 ? WEB : [...WEB, 'Service default/café'].sort())
      // In two pieces, whose border is inside of something.
      api.say(SERVICES, bytes.subarray(0, at))
      await new Promise((resolve) => setImmediate(resolve))
      api.say(SERVICES, bytes.subarray(at))
      await eventually(() =>
        expect(cluster.object('Service default/café')).toMatchObject({ spec: { externalIPs: [`10.9.0.${n}`] } }),
      )
    }
  })

  it('that says the same twice, and removes what nobody knows, changes nothing', async () => {
    await using api = await open()
    api.put(web)
    await using cluster = followCluster(api.kubeconfig())
    await cluster.holds(...WEB)
    await eventually(() => expect(api.watching).toBe(3))
    const { updates } = cluster
    const again = {
      ...cluster.object('Service default/web'),
      metadata: { name: 'web', namespace: 'default', resourceVersion: '900', uid: 'uid-of-web' },
    }
    api.version = 901
    api.say(
      SERVICES,
      `${JSON.stringify({ type: 'ADDED', object: again })}\n${JSON.stringify({ type: 'MODIFIED', object: again })}\n`,
    )
    const gone = { metadata: { name: 'gone', namespace: 'default', resourceVersion: '901' } }
    api.say(SERVICES, `${JSON.stringify({ type: 'DELETED', object: gone })}\n`)
    api.put([aService('after')])
    await cluster.holds(...WEB, 'Service default/after')
    expect(cluster.updates).toBe(updates + 1)
  })

  it.each([
    ['no JSON', '{"type":"ADDED",\n'],
    ['no event', '[]\n'],
    ['an event of an unknown type', '{"type":"RENAMED","object":{"metadata":{"name":"x","resourceVersion":"500"}}}\n'],
    ['an object without a name', '{"type":"ADDED","object":{"metadata":{"resourceVersion":"500"}}}\n'],
    ['an event without a version', '{"type":"ADDED","object":{"metadata":{"name":"x"}}}\n'],
    ['an error', '{"type":"ERROR","object":{"kind":"Status","code":500,"message":"etcdserver: no leader"}}\n'],
    ['a version from the past', '{"type":"ADDED","object":{"metadata":{"name":"x","resourceVersion":"3"}}}\n'],
  ])('whose watch brings %s goes on with what it knows, and reads again', async (_, line) => {
    await using api = await open()
    api.put(web)
    await using cluster = followCluster(api.kubeconfig())
    await cluster.holds(...WEB)
    await eventually(() => expect(api.watching).toBe(3))
    const lists = api.asked(SERVICES, 'list').length
    api.put([aService('more')], { silently: true })
    api.say(SERVICES, line)
    await cluster.holds(...WEB, 'Service default/more')
    expect(api.asked(SERVICES, 'list').length).toBeGreaterThan(lists)
  })

  it.each([
    ['an empty answer', '{}'],
    ['a list of something else', '{"kind":"PodList","metadata":{"resourceVersion":"7"},"items":[]}'],
    ['a list without a version', '{"kind":"ServiceList","metadata":{},"items":[]}'],
    ['a page of a proxy in between', '<html>please log in</html>'],
    ['half a list', '{"kind":"ServiceList","metadata":{"resourceVer'],
  ])('that answers a list with %s loses nothing', async (_, text) => {
    await using api = await open()
    api.put(web)
    await using cluster = followCluster(api.kubeconfig())
    await cluster.holds(...WEB)
    await eventually(() => expect(api.watching).toBe(3))
    api.compact()
    api.next(SERVICES, 'watch', (_request, response) => refuse(response, 410, 'too old resource version'))
    api.put([aService('more')], { silently: true })
    let answered = 0
    for (let n = 0; n < 3; n++) {
      api.next(SERVICES, 'list', (_request, response) => {
        answered++
        response.writeHead(200, { 'content-type': 'application/json' }).end(text)
      })
    }
    api.cut()
    await cluster.holds(...WEB, 'Service default/more')
    expect(answered).toBe(3)
    expect(cluster.losses).toEqual([])
  })

  it.each([429, 503])('that asks to be left alone with %i is left alone for so long', async (code) => {
    const clock = manualClock()
    await using api = await open()
    api.put(web)
    api.next(SERVICES, 'list', (_request, response) => refuse(response, code, 'busy', { 'retry-after': '7' }))
    await using cluster = followCluster(api.kubeconfig(), { clock })
    const [message] = await cluster.troubled('api-unreachable')
    expect(message).toBe('services cannot be read: busy; nothing of it is in force yet')
    const asked = () => api.asked(SERVICES, 'watch').length + api.asked(SERVICES, 'list').length
    const before = asked()
    const startedMs = clock.now()
    while (clock.now() < startedMs + 6_900) {
      clock.advance(100)
      await new Promise((resolve) => setImmediate(resolve))
    }
    expect(asked()).toBe(before)
    clock.advance(200)
    await cluster.holds(...WEB)
    await cluster.troubled()
  })

  it('that refuses the token is asked with the one in the file by then', async () => {
    await using api = await open()
    api.put(web)
    api.token = 'first'
    await using cluster = followCluster(api.kubeconfig('first'))
    await cluster.holds(...WEB)
    await eventually(() => expect(api.watching).toBe(3))
    api.token = 'second'
    api.put([aService('more')], { silently: true })
    api.cut()
    const messages = await cluster.troubled('api-unauthorized', 'api-unauthorized', 'api-unauthorized')
    expect(messages[0]).toBe('services cannot be read: Unauthorized; what it held before stays in force')
    expect(cluster.names()).toEqual(WEB)
    writeFileSync(cluster.kubeconfig, api.kubeconfig('second'))
    await cluster.holds(...WEB, 'Service default/more')
    await cluster.troubled()
    expect(
      cluster.statuses
        .flatMap(({ problems }) => problems)
        .map(({ message }) => message)
        .join(),
    ).not.toContain('first')
  })

  it('that forbids something names the rule that is missing; without the node it is served all the same', async () => {
    await using api = await open()
    api.put(web)
    for (let n = 0; n < 1_000; n++)
      api.next('/api/v1/nodes', 'any', (_request, response) => refuse(response, 403, 'nodes is forbidden'))
    api.next(SLICES, 'any', (_request, response) => refuse(response, 403, 'endpointslices is forbidden'))
    api.next(SLICES, 'any', (_request, response) => refuse(response, 403, 'endpointslices is forbidden'))
    await using cluster = followCluster(api.kubeconfig(), { random: seededRandom(3) })
    await cluster.holds(...WEB)
    const rules = new Set(
      cluster.statuses.flatMap(({ problems }) => problems).map(({ severity, message }) => `${severity}: ${message}`),
    )
    expect([...rules].sort()).toEqual([
      'error: endpointslices may not be read: a Role or ClusterRole must have the rule apiGroups: ["discovery.k8s.io"], resources: ["endpointslices"], verbs: ["list", "watch"]; nothing of it is in force yet',
      `warning: this node's object (nodes) may not be read: a Role or ClusterRole must have the rule apiGroups: [""], resources: ["nodes"], verbs: ["list", "watch"]; without it topology comes from --node-label alone`,
    ])
  })

  it('that falls silent in the middle of a watch is asked again', async () => {
    const clock = manualClock()
    await using api = await open()
    api.put(web)
    await using cluster = followCluster(api.kubeconfig(), { clock })
    await cluster.holds(...WEB)
    await eventually(() => expect(api.watching).toBe(3))
    api.bookmark()
    api.put([aService('seen')])
    await cluster.holds(...WEB, 'Service default/seen')
    api.put([aService('unseen')], { silently: true })
    clock.advance(89_000)
    await new Promise((resolve) => setImmediate(resolve))
    expect(cluster.names()).not.toContain('Service default/unseen')
    clock.advance(2_000)
    await cluster.holds(...WEB, 'Service default/seen', 'Service default/unseen')
  })

  it('that takes watch lists without ever ending one is asked for lists', async () => {
    const clock = manualClock()
    await using api = await open({ watchLists: true })
    api.put(web)
    api.next(SERVICES, 'watch', (_request, response) => void response.writeHead(200).flushHeaders())
    await using cluster = followCluster(api.kubeconfig(), { clock })
    await eventually(() => {
      clock.advance(1_000)
      expect(api.asked(SERVICES, 'list')).toHaveLength(1)
    })
    await cluster.holds(...WEB)
  })

  it('that is away keeps everything in force, and is found again', async () => {
    const api = await open()
    api.put(web)
    await using cluster = followCluster(api.kubeconfig(), { random: { below: (n) => Math.min(n - 1, 20) } })
    await cluster.holds(...WEB)
    const port = Number(new URL(api.url).port)
    await api[Symbol.asyncDispose]()
    const messages = await cluster.troubled('api-unreachable', 'api-unreachable', 'api-unreachable')
    expect(messages[0]).toMatch(/^services cannot be read: connect ECONNREFUSED .*; what it held before stays in force$/)
    expect(cluster.names()).toEqual(WEB)
    await using back = await open({ port })
    back.version = 500
    back.put([aService('new')])
    back.compact()
    await cluster.holds('Service default/new')
    await cluster.troubled()
  })

  it('whose plugin for credentials hangs is asked again', async () => {
    const clock = manualClock()
    await using api = await open()
    api.put(web)
    const config = JSON.parse(api.kubeconfig()) as { users: object[] }
    const exec = { command: process.execPath, args: ['-e', 'setTimeout(() => {}, 20_000)'] }
    config.users = [{ name: 'test', user: { exec } }]
    await using cluster = followCluster(JSON.stringify(config), { clock })
    await eventually(() => {
      clock.advance(1_000)
      const said = cluster.statuses.at(-1)?.problems.map(({ message }) => message) ?? []
      expect(said[0]).toBe('services cannot be read: nothing was heard for 60 s; nothing of it is in force yet')
    })
    writeFileSync(cluster.kubeconfig, api.kubeconfig())
    await eventually(() => {
      clock.advance(1_000)
      expect(cluster.names()).toEqual(WEB)
    })
  })

  it('is read again when somebody asks, whatever it is doing', async () => {
    await using api = await open()
    api.put(web)
    await using cluster = followCluster(api.kubeconfig())
    await cluster.holds(...WEB)
    await eventually(() => expect(api.watching).toBe(3))
    // A backup that has got past where it was: no version tells.
    api.restore([aService('other')], api.version + 50)
    expect(cluster.names()).toEqual(WEB)
    cluster.refresh()
    await cluster.holds('Service default/other')
    expect([...cluster.losses].sort()).toEqual(WEB)
  })

  it('is asked for one namespace only, and for Services with some labels', async () => {
    await using api = await open()
    api.put(web)
    await using _cluster = followCluster(api.kubeconfig(), { namespace: 'team-a', labelSelector: 'app=web' })
    await eventually(() => expect(api.hits.length).toBeGreaterThan(2))
    const paths = new Set(api.hits.map(({ path }) => path))
    expect([...paths].filter((path) => path.includes('services'))).toEqual(['/api/v1/namespaces/team-a/services'])
    const hit = api.hits.find(({ path }) => path.endsWith('/services'))
    expect(hit?.query.get('labelSelector')).toBe(
      '!service.kubernetes.io/headless,!service.kubernetes.io/service-proxy-name,app=web',
    )
    expect(api.hits.find(({ path }) => path.endsWith('/nodes'))?.query.get('fieldSelector')).toBe('metadata.name=node-1')
  })

  it('whose kubeconfig is not there, or makes no sense, is said, and read once it is right', async () => {
    await using api = await open()
    api.put(web)
    await using cluster = followCluster('kind: Config\n', { random: { below: (n) => Math.min(n - 1, 20) } })
    const [message] = await cluster.troubled('api-unreachable', 'api-unreachable', 'api-unreachable')
    expect(message).toContain('its current-context names no cluster')
    writeFileSync(cluster.kubeconfig, api.kubeconfig())
    await cluster.holds(...WEB)
  })
})

describe('whatever happens to a cluster', () => {
  it.each([1, 2, 3, 4, 5, 6, 7, 8])('what is known is what is there in the end (%i)', async (seed) => {
    const random = seededRandom(seed)
    await using api = await open({ watchLists: seed % 2 === 0, gzip: seed % 3 === 0 })
    api.version = 5_000_000
    const there = new Map<string, Json>()
    const change = (silently: boolean): void => {
      const object = aService(`s${random.below(40)}`, { externalIPs: [`10.3.0.${random.below(250)}`] })
      const { name } = object['metadata'] as { name: string }
      if (there.has(name) && random.below(3) === 0) {
        there.delete(name)
        api.remove(object, { silently })
      } else {
        there.set(name, object)
        api.put([object], { silently })
      }
    }
    const refusals = [410, 429, 500, 503, 401, 504]
    const happenings = [
      () => change(false),
      () => change(false),
      () => change(true),
      () => api.cut(),
      () => api.compact(),
      () => api.bookmark(),
      () => api.say(SERVICES, '{"type":"ADDED","obj'),
      () => api.say(SERVICES, '{"type":"ERROR","object":{"kind":"Status","code":410,"message":"too old"}}\n'),
      () => api.next(SERVICES, 'any', (_request, response) => void response.destroy()),
      () => api.next(SERVICES, 'any', (_request, response) => refuse(response, refusals[random.below(6)] as number, 'no')),
      () => api.next(SERVICES, 'any', (_request, response) => void response.writeHead(200).end('{"kind":"ServiceList",')),
      // So far back that it does not get where it was before.
      () => api.restore([...there.values()], api.version - 10_000),
    ]
    await using cluster = followCluster(api.kubeconfig(), { random: { below: (n) => Math.min(n - 1, random.below(8)) } })
    for (let n = 0; n < 150; n++) {
      happenings[random.below(happenings.length)]?.()
      if (random.below(3) === 0) await new Promise((resolve) => setTimeout(resolve, random.below(6)))
    }
    // What watches were not told of is found when they come back.
    api.cut()
    await eventually(() => {
      expect(cluster.names()).toEqual([...there.keys()].map((name) => `Service default/${name}`).sort())
      for (const [name, object] of there)
        expect(cluster.object(`Service default/${name}`)).toMatchObject({ spec: object['spec'] as Json })
    })
    expect(api.hits.length).toBeLessThan(2_000)
  })
})
