import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { parseDocuments } from '../../src/source/documents.ts'
import { TcpEndpoint } from '../support/echo.ts'
import { aService, type Json } from '../support/objects.ts'
import { describeOnEngines, slicesOf, type World } from '../support/world.ts'

const NETWORK = '127.70.40'
const WEB = `${NETWORK}.1:8080`
const service = (annotations: Record<string, string>) =>
  aService('web', { clusterIP: `${NETWORK}.1`, ports: [{ port: 8080 }] }, { annotations })

/** The worked example of the documentation, on addresses of this machine. */
function documented(change: (text: string) => string = (text) => text): Json[] {
  const page = readFileSync(join(import.meta.dirname, '../../docs/schedulers.md'), 'utf8')
  const [, yaml = ''] = /```yaml\n([\s\S]+?)```/.exec(page) ?? []
  const text = change(yaml).replaceAll('10.96.0.10', `${NETWORK}.1`).replaceAll('10.1.0.', `${NETWORK}.10`)
  const documents = parseDocuments(text, 'schedulers.md')
  if ('problem' in documents) throw new Error(documents.problem.message)
  return documents.objects.map(({ value }) => value as Json)
}

/** The endpoints of the example: they say their number, then echo. */
function machines(world: World, ...numbers: number[]): Promise<TcpEndpoint[]> {
  return Promise.all(numbers.map((n) => world.keep(TcpEndpoint.open(`${NETWORK}.10${n}`, `say ${n}, echo`, 8080))))
}

/** Sessions that stay, by who has them. */
async function stay(world: World, count: number): Promise<Record<string, number>> {
  const counts: Record<string, number> = {}
  for (let n = 0; n < count; n++) {
    const { text } = await world.greeted(WEB)
    counts[text] = (counts[text] ?? 0) + 1
  }
  return counts
}

describeOnEngines('a scheduler', NETWORK, (open) => {
  it('shares sessions as the worked example of the documentation says', async () => {
    await using world = await open()
    await machines(world, 1, 2, 3, 9)
    await world.apply(documented())
    expect(await stay(world, 50)).toEqual({ 1: 20, 2: 20, 3: 10 })
    expect(world.proxy.read().problems).toEqual([])
    await world.apply(documented((text) => text.replace('10.1.0.1=2', '10.1.0.1=0')))
    expect(await stay(world, 15)).toEqual({ 2: 10, 3: 5 })
    await world.apply(documented((text) => text.replace('10.1.0.1=2,10.1.0.2=2', '10.1.0.1=0,10.1.0.2=0,10.1.0.3=0')))
    expect(await stay(world, 2)).toEqual({ 9: 2 })
  })

  it('goes on to a backup when all others refuse', async () => {
    await using world = await open()
    const machine = await world.tcpEndpoint('say backup, echo')
    const refusing = [await world.refusing(), await world.refusing()]
    const annotations = { 'portald.io/scheduler': 'mh', 'portald.io/backup': machine.address.ip }
    await world.apply(service(annotations), slicesOf('web', [...refusing, machine]))
    expect(await world.ask(WEB)).toBe('backup')
    expect(world.records.at(-1) ?? (await world.ended(1))[0]).toMatchObject({ attempts: 3, scheduler: 'mh' })
  })

  it('counts the sessions of every thread for least connections', async () => {
    await using world = await open()
    const endpoints = await world.endpoints('a', 'b', 'c')
    await world.apply(service({ 'portald.io/scheduler': 'lc' }), slicesOf('web', endpoints))
    expect(await stay(world, 30)).toEqual({ a: 10, b: 10, c: 10 })
  })

  it('heeds weights and maintenance set at run time from the next session on, in every thread', async () => {
    await using world = await open()
    const endpoints = await world.endpoints('a', 'b')
    const ip = endpoints[0]?.address.ip as string
    await world.apply(service({ 'portald.io/scheduler': 'wrr' }), slicesOf('web', endpoints))
    expect(world.proxy.setEndpoint('default/web', ip, { weight: 3 })).toBe(1)
    expect(await stay(world, 40)).toEqual({ a: 30, b: 10 })
    expect(world.proxy.setEndpoint('default/web', ip, { maintenance: true })).toBe(1)
    expect(await stay(world, 20)).toEqual({ b: 20 })
    await world.apply(service({ 'portald.io/scheduler': 'wrr', 'portald.io/attempts': '2' }), slicesOf('web', endpoints))
    expect(await stay(world, 20)).toEqual({ b: 20 })
    expect(world.proxy.overrides()).toMatchObject([{ service: 'default/web:/TCP', maintenance: true }])
    world.proxy.setEndpoint('default/web', ip, {})
    expect(await stay(world, 20)).toEqual({ a: 10, b: 10 })
  })

  it.each(['sh', 'mh'])('by %s keeps a client on its endpoint, whichever thread accepts it', async (scheduler) => {
    await using world = await open()
    await world.apply(service({ 'portald.io/scheduler': scheduler }), slicesOf('web', await world.endpoints('a', 'b', 'c', 'd')))
    const seen = new Set<string>()
    for (let host = 51; host < 67; host++) {
      const from = `${NETWORK}.${host}`
      const name = await world.ask(WEB, from)
      expect([await world.ask(WEB, from), await world.ask(WEB, from)]).toEqual([name, name])
      seen.add(name)
    }
    expect(seen.size).toBeGreaterThan(2)
  })

  it('leaves the default to --scheduler', async () => {
    await using world = await open({ inputs: { scheduler: 'mh' } })
    await world.apply(service({}), slicesOf('web', await world.endpoints('a', 'b', 'c', 'd')))
    expect(new Set(await world.askTimes(8, WEB)).size).toBe(1)
    await world.apply(service({ 'portald.io/scheduler': 'rr' }), slicesOf('web', await world.endpoints('e', 'f')))
    expect(new Set(await world.askTimes(4, WEB)).size).toBe(2)
  })
})
