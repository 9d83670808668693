import { get } from 'node:http'
import { text } from 'node:stream/consumers'
import { expect, it } from 'vitest'
import { openHttpServer } from '../support/http-server.ts'
import { aService } from '../support/objects.ts'
import { describeOnEngines, slicesOf, type World } from '../support/world.ts'

/** What `curl` does: a connection for every request. */
async function curl(url: string): Promise<string> {
  const response = await new Promise<Parameters<typeof text>[0]>((resolve, reject) => {
    get(url, { agent: false, headers: { connection: 'close' } }, resolve).on('error', reject)
  })
  return (await text(response)).trim()
}

function count(names: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1
  return counts
}

describeOnEngines('round robin', '127.70.1', (open) => {
  const servers = (world: World) =>
    Promise.all(
      ['a', 'b', 'c'].map((name, n) => world.keep(openHttpServer(`127.70.1.${101 + n}`, (path) => `${name} ${path}\n`))),
    )

  // Case 38.
  it('gives curl in a loop exact thirds, in turn, and brings each path to the server', async () => {
    await using world = await open()
    await world.apply(
      aService('web', { clusterIP: '127.70.1.1', ports: [{ port: 8080 }] }),
      slicesOf('web', await servers(world)),
    )
    const answers: string[] = []
    for (let n = 0; n < 30; n++) answers.push(await curl('http://127.70.1.1:8080/healthy?yes'))
    expect(count(answers)).toEqual({ 'a /healthy?yes': 10, 'b /healthy?yes': 10, 'c /healthy?yes': 10 })
    for (let n = 3; n < 30; n++) expect(answers[n]).toBe(answers[n - 3])
  })

  it('gives exact thirds to many clients at once, over all addresses of the Service', async () => {
    await using world = await open()
    const endpoints = await world.endpoints('a', 'b', 'c')
    const spec = { clusterIP: '127.70.1.1', externalIPs: ['127.70.1.2'], ports: [{ port: 8080 }] }
    await world.apply(aService('web', spec), slicesOf('web', endpoints))
    const asking = Array.from({ length: 300 }, (_, n) => world.ask(n % 2 === 0 ? '127.70.1.1:8080' : '127.70.1.2:8080'))
    expect(count(await Promise.all(asking))).toEqual({ a: 100, b: 100, c: 100 })
  })

  it('goes on where it was while endpoints, and other Services, come and go', async () => {
    await using world = await open()
    const endpoints = await world.endpoints('a', 'b', 'c')
    const web = aService('web', { clusterIP: '127.70.1.1', ports: [{ port: 8080 }] })
    const other = aService('other', { clusterIP: '127.70.1.3', ports: [{ port: 8080 }] })
    await world.apply(web, slicesOf('web', endpoints))
    const names = [await world.ask('127.70.1.1:8080'), await world.ask('127.70.1.1:8080')]
    await world.apply(other, web, slicesOf('web', [...endpoints].reverse()))
    names.push(await world.ask('127.70.1.1:8080'))
    await world.apply(web, slicesOf('web', endpoints))
    names.push(await world.ask('127.70.1.1:8080'))
    expect(new Set(names.slice(0, 3)).size).toBe(3)
    expect(names[3]).toBe(names[0])
  })

  // Case 35.
  it('counts an endpoint once that several slices list', async () => {
    await using world = await open()
    const [a, b] = (await world.endpoints('a', 'b')) as [never, never]
    const twice = slicesOf('web', [a]).map((slice) => ({
      ...slice,
      metadata: { ...(slice['metadata'] as object), name: 'again' },
    }))
    await world.apply(aService('web', { clusterIP: '127.70.1.1', ports: [{ port: 8080 }] }), slicesOf('web', [a, b]), twice)
    expect(count(await world.askTimes(8, '127.70.1.1:8080'))).toEqual({ a: 4, b: 4 })
  })
})
