import { mkdirSync, renameSync as renameOver, rmSync, symlinkSync, truncateSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { TcpEndpoint } from '../support/echo.ts'
import { eventually } from '../support/eventually.ts'
import { aService } from '../support/objects.ts'
import { replaceFile, serveFile, yamlOf } from '../support/served-file.ts'
import { connectTcp } from '../support/tcp-client.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'
import { underLoad } from '../support/under-load.ts'
import { addressOf, describeOnEngines, slicesOf } from '../support/world.ts'

const NETWORK = '127.70.16'
const WEB = '127.70.16.1:8080'
const web = aService('web', { clusterIP: '127.70.16.1', ports: [{ port: 8080 }] })

async function ask(): Promise<string> {
  await using client = await connectTcp(addressOf(WEB))
  await client.receives(1)
  return client.text
}

describeOnEngines('a file', NETWORK, (open, engine) => {
  for (const [state, text] of [
    ['missing', undefined],
    ['empty', ''],
    ['broken', 'apiVersion: v1\nkind: [Service\n'],
    ['binary', '\0\u0001\u0002ÿ\0'],
  ] as const) {
    it(`that is ${state} at the start leaves the process up and not ready, which serves when it is right`, async () => {
      await using a = await TcpEndpoint.open('127.70.16.101', 'say a, echo')
      await using served = serveFile(engine, NETWORK, undefined)
      if (text !== undefined) writeFileSync(served.path, text)
      await eventually(async () => expect(await served.readyz()).toBe(503))
      expect(await served.command.event('object.problem')).toMatchObject({ msg: expect.stringContaining('services.yaml') })
      expect(served.command.events('proxy.ready')).toEqual([])
      served.write(web, slicesOf('web', [a]))
      await eventually(async () => expect(await ask()).toBe('a'))
      await eventually(async () => expect(await served.readyz()).toBe(200))
      expect(served.command.err()).not.toMatch(/^\s+at /m)
    })
  }

  it('that is half-written, unparsable, emptied or gone keeps its last good state, loudly', async () => {
    using folder = makeTemporaryFolder()
    const path = join(folder.path, 'services.yaml')
    await using world = await open({ files: [path] })
    const [a, b] = (await world.endpoints('a', 'b')) as [TcpEndpoint, TcpEndpoint]
    const good = yamlOf([web, slicesOf('web', [a])])
    replaceFile(path, good)
    await world.proxy.ready
    const held = await world.greeted(WEB)
    const breaking: readonly [string, () => void][] = [
      ['unparsable', () => replaceFile(path, 'kind: [')],
      ['emptied', () => truncateSync(path)],
      ['no object', () => replaceFile(path, 'hello: world\n')],
      ['gone', () => unlinkSync(path)],
    ]
    for (const [what, brokenBy] of breaking) {
      replaceFile(path, good)
      await eventually(() => expect(world.proxy.read().problems, what).toEqual([]))
      brokenBy()
      await eventually(() => expect(world.proxy.read().problems.length, what).toBeGreaterThan(0))
      expect(await world.ask(WEB), what).toBe('a')
      expect(world.proxy.read().problems[0]?.message, what).toContain('what it held before stays in force')
    }
    replaceFile(path, yamlOf([web, slicesOf('web', [b])]))
    await eventually(async () => expect(await world.ask(WEB)).toBe('b'))
    await held.send(' still')
    await held.receives('still')
  })

  it('is followed through every way of changing it', async () => {
    using folder = makeTemporaryFolder()
    const path = join(folder.path, 'services.yaml')
    const endpoints = await Promise.all(
      ['a', 'b', 'c', 'd'].map((name, n) => TcpEndpoint.open(`127.70.16.${110 + n}`, `say ${name}, echo`)),
    )
    await using stack = new AsyncDisposableStack()
    for (const endpoint of endpoints) stack.use(endpoint)
    const texts = endpoints.map((endpoint) => yamlOf([web, slicesOf('web', [endpoint])]))
    writeFileSync(path, texts[0] as string)
    await using world = await open({ files: [path] })
    await world.proxy.ready
    const held = await world.greeted(WEB)
    writeFileSync(path, texts[1] as string)
    await eventually(async () => expect(await world.ask(WEB), 'in place').toBe('b'))
    replaceFile(path, texts[2] as string)
    await eventually(async () => expect(await world.ask(WEB), 'renamed over').toBe('c'))
    unlinkSync(path)
    writeFileSync(path, texts[3] as string)
    await eventually(async () => expect(await world.ask(WEB), 'deleted and created').toBe('d'))
    const real = join(folder.path, 'real.yaml')
    writeFileSync(real, texts[0] as string)
    unlinkSync(path)
    symlinkSync(real, path)
    await eventually(async () => expect(await world.ask(WEB), 'a symlink now').toBe('a'))
    writeFileSync(real, texts[1] as string)
    await eventually(async () => expect(await world.ask(WEB), 'behind the symlink').toBe('b'))
    expect(await held.send(' still')).toBe(true)
    await held.receives('a still')
    expect(world.log.of('listener.opened')).toHaveLength(1)
  })

  it('in a folder comes and goes with its objects, while those of the others stay', async () => {
    using folder = makeTemporaryFolder()
    await using world = await open({ files: [folder.path] })
    const [a, b] = (await world.endpoints('a', 'b')) as [TcpEndpoint, TcpEndpoint]
    const other = aService('other', { clusterIP: '127.70.16.2', ports: [{ port: 8080 }] })
    writeFileSync(join(folder.path, 'web.yaml'), yamlOf([web, slicesOf('web', [a])]))
    await world.proxy.ready
    await eventually(async () => expect(await world.ask(WEB)).toBe('a'))
    writeFileSync(
      join(folder.path, 'other.json'),
      JSON.stringify({ apiVersion: 'v1', kind: 'List', items: [other, ...slicesOf('other', [b])] }),
    )
    await eventually(async () => expect(await world.ask('127.70.16.2:8080')).toBe('b'))
    rmSync(join(folder.path, 'web.yaml'))
    await eventually(async () => expect(await world.knock(WEB)).toBe('refused'))
    expect(await world.ask('127.70.16.2:8080')).toBe('b')
  })

  it('is followed through a ConfigMap’s swaps', async () => {
    using folder = makeTemporaryFolder()
    const swap = (version: number, text: string) => {
      mkdirSync(join(folder.path, `..v${version}`))
      writeFileSync(join(folder.path, `..v${version}`, 'services.yaml'), text)
      symlinkSync(`..v${version}`, join(folder.path, '..data_tmp'))
      renameOver(join(folder.path, '..data_tmp'), join(folder.path, '..data'))
      if (version > 1) rmSync(join(folder.path, `..v${version - 1}`), { recursive: true })
    }
    await using world = await open({ files: [folder.path] })
    const endpoints = await world.endpoints('a', 'b', 'c')
    swap(1, yamlOf([web, slicesOf('web', [endpoints[0] as TcpEndpoint])]))
    symlinkSync(join('..data', 'services.yaml'), join(folder.path, 'services.yaml'))
    await eventually(async () => expect(await world.ask(WEB)).toBe('a'))
    const held = await world.greeted(WEB)
    for (let n = 2; n <= 6; n++) {
      const endpoint = endpoints[n % 3] as TcpEndpoint
      swap(n, yamlOf([web, slicesOf('web', [endpoint])]))
      await eventually(async () => expect(await world.ask(WEB)).toBe('abc'[n % 3]))
    }
    await held.send(' still')
    await held.receives('a still')
  })

  it('rewritten again and again under load cuts no session and refuses nobody', async () => {
    await using stack = new AsyncDisposableStack()
    const endpoints: TcpEndpoint[] = []
    for (const [n, name] of ['a', 'b', 'c'].entries()) {
      endpoints.push(stack.use(await TcpEndpoint.open(`127.70.16.${120 + n}`, `say ${name}, echo`)))
    }
    const pair = (n: number) =>
      slicesOf(
        'web',
        [0, 1].map((next) => endpoints[(n + next) % 3] as TcpEndpoint),
      )
    await using served = serveFile(engine, NETWORK, [web, pair(0)])
    await served.command.event('proxy.ready')
    const held = await Promise.all(Array.from({ length: 20 }, async () => stack.use(await connectTcp(addressOf(WEB)))))
    await Promise.all(held.map((client) => client.receives(1)))
    const asking = async () => expect('abc').toContain(await ask())
    await underLoad(2, asking, async () => {
      for (let n = 1; n <= 20; n++) {
        const before = served.command.events('snapshot.applied').length
        served.write(web, pair(n))
        await eventually(() => expect(served.command.events('snapshot.applied').length).toBeGreaterThan(before))
      }
    })
    for (const client of held) {
      await client.send(' still')
      await client.receives('still')
    }
    served.command.process.kill('SIGTERM')
    for (const client of held) client.halfClose()
    expect((await served.command.exit).code).toBe(0)
  })
})
