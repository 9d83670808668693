import { writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { createAdminClient } from '../../src/cli/client/admin-client.ts'
import { execute } from '../../src/cli/execute.ts'
import type { Explanation } from '../../src/model/explanation.ts'
import type { SessionPage } from '../../src/model/session-view.ts'
import type { Status } from '../../src/model/status.ts'
import type { TraceStep } from '../../src/model/trace.ts'
import { makeCertificate } from '../support/certificates.ts'
import { type ClientWorld, openClientWorld } from '../support/client-world.ts'
import { runCommand } from '../support/command.ts'
import { eventually } from '../support/eventually.ts'
import { connectNamed } from '../support/named-servers.ts'
import { libc, WITHOUT_NATIVE } from '../support/native-engine.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'
import { createWrittenOutput } from '../support/written-output.ts'

const ENGINES = [
  { name: 'the node engine', ip: '127.136.1.1', args: ['--engine', 'node'], native: false },
  { name: 'one native worker', ip: '127.136.1.2', args: ['--engine', 'native', '--workers', '1'], native: true },
  { name: 'four native workers', ip: '127.136.1.4', args: ['--engine', 'native', '--workers', '4'], native: true },
]

/** `127.0.0.1:9001` of a server. */
const at = (world: ClientWorld, n: number) => `127.0.0.1:${world.servers[n]?.port}`
const sessions = (world: ClientWorld, ...filters: string[]) => world.ask<SessionPage>(['sessions', ...filters])

for (const { name, ip, args, native } of ENGINES) {
  describe.skipIf(native && !libc)(`commands that ask a running portald, with ${name}${native ? WITHOUT_NATIVE : ''}`, () => {
    it('show its sessions by number, and end the one that is named', async () => {
      await using world = await openClientWorld(ip, args, ['a', 'b'])
      const clients = [await connectNamed(ip, 8080), await connectNamed(ip, 8080), await connectNamed(ip, 8080)]
      const { sessions: all, matched } = await eventually(async () => {
        const page = await sessions(world)
        expect(page.sessions.filter(({ state, bytesFromEndpoint }) => state === 'open' && bytesFromEndpoint === 2)).toHaveLength(
          3,
        )
        return page
      })
      expect(matched).toBe(3)
      const ports = clients.map(({ socket }) => `127.0.0.1:${socket.localPort}`)
      expect(all.map(({ client }) => client).sort()).toEqual(ports.toSorted())
      expect(all[0]).toMatchObject({ protocol: 'TCP', local: `${ip}:8080`, service: 'default/web:/TCP', attempts: 1 })
      for (const server of [0, 1]) {
        const page = await sessions(world, '--endpoint', at(world, server))
        expect(page.sessions.every(({ endpoint }) => endpoint === at(world, server))).toBe(true)
      }
      expect((await sessions(world, '--service', 'default/web')).matched).toBe(3)
      expect((await sessions(world, '--service', 'default/other')).matched).toBe(0)
      expect(await sessions(world, '--client', '127.0.0.0/8', '--bytes-over', '1', '--limit', '2')).toMatchObject({
        matched: 3,
        sessions: { length: 2 },
      })
      expect((await sessions(world, '--older-than', '1h')).matched).toBe(0)
      const [meant] = all as [(typeof all)[number]]
      const closed = new Promise((resolve) => clients[ports.indexOf(meant.client)]?.socket.once('close', resolve))
      expect(await world.say(['kill', String(meant.id)])).toMatchObject({ code: 0, out: 'ended 1 session\n' })
      await closed
      expect((await sessions(world)).matched).toBe(2)
      expect(await world.say(['kill', String(meant.id)])).toMatchObject({ code: 1, out: 'ended 0 sessions\n' })
      expect(await world.say(['kill', '--service', 'default/web'])).toMatchObject({ code: 0, out: 'ended 2 sessions\n' })
      await eventually(() => expect(world.portald.events('session.killed')).toHaveLength(3))
    })

    it('take an endpoint out, wait for its last session, and put it back', async () => {
      await using world = await openClientWorld(ip, args, ['a', 'b'])
      const first = await connectNamed(ip, 8080)
      const server = world.servers.findIndex((one) => one.name === first.name)
      const endpoint = at(world, server)
      const other = first.name === 'a' ? 'b' : 'a'
      const waiting = world.say(['drain', endpoint, '--wait'], 80)
      const stateOf = async () =>
        (await world.ask<Status>(['status', 'default/web'])).services[0]?.endpoints.find((one) => one.endpoint === endpoint)
          ?.state
      await eventually(async () => expect(await stateOf()).toBe('draining'))
      for (let n = 0; n < 4; n++) expect((await connectNamed(ip, 8080)).name).toBe(other)
      first.socket.destroy()
      const { code, out, drawn } = await waiting
      expect({ code, out }).toEqual({
        code: 0,
        out: '1 endpoint takes nothing new; 1 session still runs\nthe last session has ended\n',
      })
      expect(drawn).toContain('] 1 session left after ')
      expect(await stateOf()).toBe('drained')
      expect((await world.say(['undrain', endpoint])).out).toBe('1 endpoint may take new sessions again\n')
      const names = [(await connectNamed(ip, 8080)).name, (await connectNamed(ip, 8080)).name]
      expect(names.sort()).toEqual(['a', 'b'])
    })

    it('end what still runs at the deadline of a drain', async () => {
      await using world = await openClientWorld(ip, args, ['a'])
      const { socket } = await connectNamed(ip, 8080)
      const closed = new Promise((resolve) => socket.once('close', resolve))
      expect(await world.say(['drain', 'default/web', '--deadline', '100ms'])).toMatchObject({
        code: 1,
        out: '1 endpoint takes nothing new; 1 session still runs\nthe deadline passed: ended 1 session\n',
      })
      await closed
      const refused = connect(8080, ip)
      await new Promise((resolve) => refused.on('error', resolve).on('close', resolve))
      expect((await world.ask<Status>(['status'])).services[0]?.ends).toMatchObject({ drained: 1 })
    })

    it('say where a client would go, and it goes there', async () => {
      await using world = await openClientWorld(ip, args, ['a', 'b'])
      for (let n = 0; n < 4; n++) {
        const { outcome } = await world.ask<Explanation>(['explain', '127.0.0.1', `${ip}:8080`])
        const { name } = await connectNamed(ip, 8080)
        const server = world.servers.findIndex((one) => one.name === name)
        expect(outcome).toMatchObject({ do: 'forward', endpoint: at(world, server), by: 'turn' })
      }
      expect((await world.say(['explain', '127.0.0.1', `${ip}:1`])).code).toBe(1)
    })

    it('watch what happens', async () => {
      await using world = await openClientWorld(ip, args, ['a'])
      const watching = world.say(['top', '--once', '--interval', '2s'])
      const counted = async () => (await world.ask<Status>(['status'])).services[0]?.sessions.total
      await eventually(async () => {
        await connectNamed(ip, 8080)
        expect(await counted()).toBeGreaterThan(3)
      })
      const { code, out } = await watching
      expect(code).toBe(0)
      const [, , titles = '', row = ''] = out.split('\n')
      expect(titles).toMatch(/^SERVICE +UP +ACTIVE +NEW\/S +IN\/S +OUT\/S +ERR\/S +FAIL\/S +P50 +P99$/)
      expect(row).toMatch(/^default\/web:\/TCP +1\/1 +\d/)
    })

    it('follow sessions through every step, and what they know of them afterwards', async () => {
      await using world = await openClientWorld(ip, args, ['a', 'b'])
      const steps: TraceStep[] = []
      const over = new AbortController()
      const following = createAdminClient(world.admin, { uid: 0, variables: {} }).follow(
        '/portald/v1/trace',
        { service: 'default/web', client: '127.0.0.1' },
        (line) => void steps.push(JSON.parse(line) as TraceStep),
        over.signal,
      )
      const stepsOf = (port: number | undefined) =>
        steps
          .filter(({ client }) => client === `127.0.0.1:${port}`)
          .map(({ step, endpoint, end }) => end ?? (endpoint ? `${step} ${endpoint}` : step))
      // Whether it follows already shows by itself.
      await eventually(async () => {
        ;(await connectNamed(ip, 8080)).socket.destroy()
        expect(steps.some(({ step }) => step === 'ended')).toBe(true)
      })
      const { socket, name } = await connectNamed(ip, 8080)
      const port = socket.localPort
      const endpoint = at(
        world,
        world.servers.findIndex((server) => server.name === name),
      )
      const begun = ['began', `chosen ${endpoint}`, `connected ${endpoint}`]
      await eventually(() => expect(stepsOf(port)).toEqual(begun))
      const { sessions: running } = await sessions(world)
      const id = running.find(({ client }) => client === `127.0.0.1:${port}`)?.id
      socket.end('hello')
      await eventually(() => expect(stepsOf(port)).toEqual([...begun, 'client-closed']))
      const told = steps.filter(({ client }) => client === `127.0.0.1:${port}`)
      expect(told.map((step) => step.id)).toEqual([id, id, id, id])
      expect(told.at(-1)).toMatchObject({ bytesFromClient: 5, bytesFromEndpoint: 7 })
      await world.servers.find((server) => server.name === name)?.[Symbol.asyncDispose]()
      const next = [await connectNamed(ip, 8080), await connectNamed(ip, 8080)]
      await eventually(() => {
        const all = next.map(({ socket: { localPort } }) => stepsOf(localPort))
        expect(all.flat().filter((step) => step === `failed ${endpoint}`)).toHaveLength(1)
        expect(all.every((one) => one.at(-1)?.startsWith('connected'))).toBe(true)
      })
      over.abort()
      await following
    })

    it('count what runs and what has ended', async () => {
      await using world = await openClientWorld(ip, args, ['a'])
      const { socket } = await connectNamed(ip, 8080)
      await connectNamed(ip, 8080)
      socket.write('hello')
      const service = () =>
        eventually(async () => {
          const [found] = (await world.ask<Status>(['status', 'default/web:'])).services
          expect(found?.bytes).toEqual({ fromClient: 5, fromEndpoint: 9 })
          return found as Status['services'][number]
        })
      const before = await service()
      expect(before).toMatchObject({ sessions: { active: 2, total: 2 }, attempts: 2, connect: { count: 2 }, ends: {} })
      expect(before.endpoints[0]).toMatchObject({ bytes: { fromClient: 5, fromEndpoint: 9 }, sessions: { active: 2, total: 2 } })
      socket.end()
      await eventually(async () => expect((await service()).sessions).toEqual({ active: 1, total: 2 }))
      const after = await service()
      expect(after.connect.count).toBe(2)
      expect(Object.values(after.ends)).toEqual([1])
    })
  })
}

describe('a command that asks a running portald', () => {
  it('changes how much is logged', async () => {
    await using world = await openClientWorld('127.136.1.5', ['--engine', 'node'], ['a'])
    expect((await world.say(['log-level'])).out).toBe('info\n')
    expect((await world.say(['log-level', 'debug'])).out).toBe('debug (was info)\n')
    expect((await world.say(['log-level'])).out).toBe('debug\n')
    expect(await world.portald.event('log.level')).toMatchObject({ before: 'info', level: 'debug' })
    await expect(world.say(['log-level', 'loud'])).resolves.toMatchObject({
      code: 2,
      err: 'portald: level: must be debug, info, warn, error, silent\n',
    })
  })

  it('asks in TLS with a token, and trusts nobody unless told', async () => {
    using folder = makeTemporaryFolder()
    const authority = makeCertificate(folder.path, 'authority')
    const { certPath, keyPath } = makeCertificate(folder.path, 'portald', { by: authority, names: 'IP:127.136.1.7' })
    const tokens = join(folder.path, 'tokens')
    writeFileSync(tokens, 'a-token-of-alices,alice\na-token-of-the-board,board,read-only\n', { mode: 0o600 })
    const access = ['--admin-tls-cert', certPath, '--admin-tls-key', keyPath, '--admin-token-file', tokens]
    await using world = await openClientWorld('127.136.1.7', ['--engine', 'node', '--admin', '0.0.0.0:20249', ...access], ['a'])
    const say = async (token: string, argv: readonly string[], ca = authority.certPath) => {
      const output = createWrittenOutput()
      const variables = { PORTALD_ADMIN: 'https://127.136.1.7:20249', PORTALD_ADMIN_TOKEN: token, PORTALD_ADMIN_CA: ca }
      return { code: await execute(argv, { variables, output }), ...output.written }
    }
    await eventually(async () => expect((await say('a-token-of-alices', ['log-level'])).out).toBe('info\n'))
    expect(await say('', ['log-level'])).toMatchObject({ code: 1, err: expect.stringContaining('set PORTALD_ADMIN_TOKEN') })
    expect(await say('a-token-of-the-board', ['log-level', 'debug'])).toMatchObject({ code: 1, out: '' })
    expect(await say('a-token-of-alices', ['log-level'], '')).toMatchObject({
      code: 1,
      err: expect.stringContaining('--admin-ca FILE'),
    })
    expect(await say('a-token-of-alices', ['log-level'], '/nowhere')).toMatchObject({ code: 2 })
    expect((await world.say(['log-level'])).out).toBe('info\n')
  })

  it('says what to do when nobody answers, or what it asks is wrong', async () => {
    const nobody = await runCommand(['status', '--admin', 'unix:/nowhere/p.sock'])
    expect(nobody).toEqual({
      code: 1,
      out: '',
      err: 'portald: unix:/nowhere/p.sock: no portald answers there: is it running, and with this --admin?\n',
    })
    expect(await runCommand(['sessions', '--admin', 'nowhere'])).toMatchObject({
      code: 2,
      err: 'portald: --admin: "nowhere": must be unix:PATH, IP:PORT or https://NAME:PORT, where portald answers\n',
    })
    await using world = await openClientWorld('127.136.1.6', ['--engine', 'node'], ['a'])
    const said = async (...argv: string[]) => {
      const { code, out, err } = await world.say(argv)
      expect(out).toBe('')
      return `${code} ${err.split('\n')[0]}`
    }
    expect(await said('kill')).toBe('2 SESSION: error: must be given: numbers of sessions, or a filter such as --endpoint')
    expect(await said('kill', 'abc')).toBe(
      '2 portald: id: "abc": must be the number of a session, as "portald sessions" shows it',
    )
    expect(await said('sessions', '--older-than', 'long')).toBe(
      '2 portald: olderThan: "long": must be a duration such as 30s or 1h30m',
    )
    expect(await said('status', 'default/none')).toBe(
      '1 default/none: there is no such Service; "portald status" shows those that there are',
    )
    expect(await said('drain', 'node-9')).toBe('1 node-9: no endpoint is meant by that; "portald status -o wide" shows them all')
    expect(await said('drain', '10.0.0.1', '--deadline', 'soon')).toBe(
      '2 --deadline: error: "soon": must be a duration such as 30s or 5m',
    )
    expect(await said('explain', 'me', 'there')).toMatch(/^2 portald: client: "me": must be an address/)
  })
})

describe('export and import', () => {
  it('carry objects from one portald to another, and say what was refused', async () => {
    await using world = await openClientWorld('127.134.77.1', [], ['a'])
    using folder = makeTemporaryFolder()
    const file = join(folder.path, 'objects.yaml')
    const service = (name: string, ip: string) =>
      `apiVersion: v1\nkind: Service\nmetadata: {name: ${name}, uid: x, resourceVersion: "5"}\nspec: {clusterIP: ${ip}, ports: [{port: 80}]}\n`
    writeFileSync(
      file,
      `${service('one', '127.134.77.2')}---\n${service('two', 'nonsense')}---\napiVersion: v1\nkind: Pod\nmetadata: {name: p}\n---\n${service('three', '127.134.77.3')}`,
    )
    const first = await world.say(['import', file])
    expect(first).toMatchObject({ code: 1, out: 'Service default/one created\nService default/three created\n' })
    expect(first.err).toContain(`${file}:6: Service default/two: `)
    expect(first.err).toContain('not an object that portald keeps')
    expect(await world.say(['export'])).toMatchObject({ code: 0 })
    writeFileSync(file, (await world.say(['export'])).out)
    expect(await world.say(['import', file])).toMatchObject({
      code: 0,
      out: 'Service default/one set\nService default/three set\n',
      err: '',
    })
    await eventually(async () => {
      const { listeners } = await world.ask<Status>(['status'])
      expect(listeners.map(({ listener }) => listener)).toContain('TCP/127.134.77.3:80')
    })
    expect(await world.say(['import', join(folder.path, 'none.yaml')])).toMatchObject({ code: 1 })
  })
})
