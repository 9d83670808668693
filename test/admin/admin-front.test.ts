import { once } from 'node:events'
import { existsSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { connect, createServer as createNetServer } from 'node:net'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { AdminRegistrar } from '../../src/admin/front/registrar.ts'
import type { AdminStream } from '../../src/admin/front/streams.ts'
import { registerVersion } from '../../src/admin/version-route.ts'
import { manualClock } from '../../src/lib/clock.ts'
import { ask, openAdminWorld } from '../support/admin-world.ts'
import { startNode } from '../support/command.ts'
import { eventually } from '../support/eventually.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'

const LOOPBACK = { admin: ['127.0.0.1:20246'] }
const echo: AdminRegistrar = (app) => {
  app.post('/echo', (request) => ({ got: request.body }))
  app.get('/fails', () => {
    throw new TypeError('the secret reason')
  })
}

describe('admin front', () => {
  it('answers on a Unix socket that nobody else may open, and takes it away at the end', async () => {
    using folder = makeTemporaryFolder()
    const path = join(folder.path, 'p.sock')
    {
      const proxy = { read: () => ({ engine: 'native' }) as never }
      await using world = await openAdminWorld({ admin: [`unix:${path}`] }, { registrars: [registerVersion], proxy })
      expect(existsSync(path)).toBe(false)
      await world.attach()
      expect(statSync(path).mode & 0o777).toBe(0o600)
      const { code, json } = await ask(path, '/portald/v1/version')
      expect([code, json]).toMatchObject([200, { version: '1.2.3', engine: 'native', startedAt: '1970-01-01T00:00:00.000Z' }])
      expect(world.logger.of('admin.opened')).toMatchObject([{ fields: { key: `unix:${path}` } }])
    }
    expect(existsSync(path)).toBe(false)
  })

  it('is in the usual place for root and for others, or nowhere', async () => {
    using folder = makeTemporaryFolder()
    const variables = { XDG_RUNTIME_DIR: `${folder.path}/` }
    await using world = await openAdminWorld({}, { uid: 1000, variables })
    await world.attach()
    expect((await ask(join(folder.path, 'portald.sock'), '/x')).code).toBe(404)
    await using homeless = await openAdminWorld({}, { uid: 1000 })
    await homeless.attach()
    expect(homeless.front.addresses()).toEqual([])
    expect(homeless.logger.of('admin.failed')[0]?.message).toContain('XDG_RUNTIME_DIR')
    await using none = await openAdminWorld({ admin: [''] })
    await none.attach()
    expect([none.front.addresses(), none.logger.lines]).toEqual([[], []])
  })

  it('replaces a socket that a killed process left', async () => {
    using folder = makeTemporaryFolder()
    const path = join(folder.path, 'p.sock')
    const script = `require('node:net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`
    await using dying = startNode(['-e', script])
    expect((await dying.exit).signal).toBe('SIGKILL')
    expect(existsSync(path)).toBe(true)
    await using world = await openAdminWorld({ admin: [`unix:${path}`] })
    await world.attach()
    expect((await ask(path, '/x')).code).toBe(404)
  })

  it('does not touch a socket that another process answers on, nor a file that is none', async () => {
    using folder = makeTemporaryFolder()
    const path = join(folder.path, 'p.sock')
    const other = createNetServer().listen(path)
    await once(other, 'listening')
    await expect(openAdminWorld({ admin: [`unix:${path}`] })).rejects.toMatchObject({
      code: 'E_ADMIN',
      message: `unix:${path}: another process answers there: give one of the two another --admin, or an empty one`,
    })
    expect(existsSync(path)).toBe(true)
    await new Promise((resolve) => other.close(resolve))
    writeFileSync(path, 'precious')
    await expect(openAdminWorld({ admin: [`unix:${path}`] })).rejects.toMatchObject({ code: 'E_ADMIN' })
    expect(existsSync(path)).toBe(true)
  })

  it('answers on several addresses at once, and waits for those that are taken', async () => {
    const other = createServer().listen(20_247, '127.0.0.1')
    await once(other, 'listening')
    const clock = manualClock()
    await using world = await openAdminWorld({ admin: ['127.0.0.1:20246', '127.0.0.1:20247'] }, { clock })
    await world.attach()
    expect((await ask(20_246, '/x')).code).toBe(404)
    expect(world.logger.of('admin.failed')).toMatchObject([{ fields: { key: '127.0.0.1:20247' } }])
    await new Promise((resolve) => other.close(resolve))
    clock.advance(15_000)
    await eventually(() => expect(world.port(1)).toBe(20_247))
    expect((await ask(20_247, '/x')).code).toBe(404)
  })

  it('loads routes with the first request, once', async () => {
    let loaded = 0
    const registrar: AdminRegistrar = (app) => {
      loaded++
      app.get('/there', () => ({ is: 'something' }))
    }
    await using world = await openAdminWorld(LOOPBACK, { registrars: [registrar] })
    await world.attach()
    expect(loaded).toBe(0)
    const answers = await Promise.all([ask(20_246, '/there'), ask(20_246, '/there'), ask(20_246, '/elsewhere?token=x')])
    expect(answers.map(({ code }) => code)).toEqual([200, 200, 404])
    expect(loaded).toBe(1)
    expect(answers[2]?.json).toEqual({
      kind: 'Status',
      apiVersion: 'v1',
      metadata: {},
      status: 'Failure',
      message: 'there is nothing at GET /elsewhere',
      reason: 'NotFound',
      code: 404,
    })
  })

  it('says that a body is too large, or none at all, and keeps the reasons of its own failures to the log', async () => {
    await using world = await openAdminWorld(LOOPBACK, { registrars: [echo] })
    await world.attach()
    const post = (body: string) => ask(20_246, '/echo', { method: 'POST', headers: { 'content-type': 'application/json' }, body })
    expect((await post('{"a":1}')).json).toEqual({ got: { a: 1 } })
    expect((await post(`"${'x'.repeat(3 * 1024 * 1024)}"`)).json).toMatchObject({ code: 413, reason: 'RequestEntityTooLarge' })
    expect((await post('{')).json).toMatchObject({ code: 400, reason: 'BadRequest' })
    const failed = await ask(20_246, '/fails')
    expect(failed.json).toMatchObject({ code: 500, reason: 'InternalError' })
    expect(failed.text).not.toContain('secret')
    expect(world.logger.of('admin.failed')).toMatchObject([
      { fields: { key: 'GET /fails', error: { message: 'the secret reason' } } },
    ])
    expect((await ask(20_246, '/echo', { headers: { x: 'x'.repeat(17_000) } })).code).toBe(431)
  })

  it('takes so many requests a second and no more', async () => {
    const clock = manualClock()
    await using world = await openAdminWorld(LOOPBACK, { clock })
    await world.attach()
    const socket = connect(20_246, '127.0.0.1')
    socket.write('GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n'.repeat(5000))
    let heard = ''
    socket.setEncoding('latin1').on('data', (text: string) => {
      heard += text
    })
    await eventually(() => expect(heard.split('HTTP/1.1 404').length - 1).toBe(5000))
    socket.destroy()
    const refused = await ask(20_246, '/x')
    expect([refused.headers['retry-after'], refused.json['reason']]).toEqual(['1', 'TooManyRequests'])
    clock.advance(1000)
    expect((await ask(20_246, '/x')).code).toBe(404)
  })
})

describe('streams of the admin API', () => {
  function watching() {
    const streams: AdminStream[] = []
    const registrar: AdminRegistrar = (app, deps) => {
      app.get('/watch', (request, reply) => {
        const stream = deps.streams.open(request, reply, 'application/json')
        if (stream) streams.push(stream)
      })
    }
    return { streams, registrar }
  }

  it('go on until one side ends them', async () => {
    const { streams, registrar } = watching()
    await using world = await openAdminWorld(LOOPBACK, { registrars: [registrar] })
    await world.attach()
    const answer = ask(20_246, '/watch')
    await eventually(() => expect(streams).toHaveLength(1))
    expect([streams[0]?.write('{"a":1}\n'), streams[0]?.write('{"b":2}\n')]).toEqual([true, true])
    streams[0]?.end()
    expect(await answer).toMatchObject({ code: 200, text: '{"a":1}\n{"b":2}\n' })
    await eventually(() => expect(streams[0]?.signal.aborted).toBe(true))
    expect(streams[0]?.write('late')).toBe(false)

    const socket = connect(20_246, '127.0.0.1').on('error', () => {})
    socket.write('GET /watch HTTP/1.1\r\nHost: localhost\r\n\r\n')
    await eventually(() => expect(streams).toHaveLength(2))
    socket.destroy()
    await eventually(() => expect(streams[1]?.signal.aborted).toBe(true))
  })

  it('end properly when the process does', async () => {
    const { streams, registrar } = watching()
    const world = await openAdminWorld(LOOPBACK, { registrars: [registrar] })
    await world.attach()
    const answer = ask(20_246, '/watch')
    await eventually(() => expect(streams).toHaveLength(1))
    streams[0]?.write('last words\n')
    await world[Symbol.asyncDispose]()
    expect((await answer).text).toBe('last words\n')
  })

  it('are cut when a client does not read, and hold no more than a megabyte for it', async () => {
    const { streams, registrar } = watching()
    await using world = await openAdminWorld(LOOPBACK, { registrars: [registrar] })
    await world.attach()
    const socket = connect(20_246, '127.0.0.1').on('error', () => {})
    socket.write('GET /watch HTTP/1.1\r\nHost: localhost\r\n\r\n')
    await eventually(() => expect(streams).toHaveLength(1))
    socket.pause()
    const text = 'x'.repeat(64 * 1024)
    let written = 0
    while (streams[0]?.write(text)) written += text.length
    // What the kernel takes beside it is a few megabytes at most.
    expect(written).toBeLessThan(32 * 1024 * 1024)
    await eventually(() => expect(streams[0]?.signal.aborted).toBe(true))
    socket.destroy()
  })

  it('have room again once the client has read, and are not cut for as much as it reads', async () => {
    const { streams, registrar } = watching()
    await using world = await openAdminWorld(LOOPBACK, { registrars: [registrar] })
    await world.attach()
    const answer = ask(20_246, '/watch')
    await eventually(() => expect(streams).toHaveLength(1))
    const text = 'x'.repeat(256 * 1024)
    for (let n = 0; n < 64; n++) {
      expect(streams[0]?.write(text)).toBe(true)
      await streams[0]?.room()
    }
    streams[0]?.end()
    expect((await answer).text).toHaveLength(64 * text.length)
    await streams[0]?.room()
  })

  it('are cut when what waits does not move for half a minute', async () => {
    const clock = manualClock()
    const { streams, registrar } = watching()
    await using world = await openAdminWorld(LOOPBACK, { registrars: [registrar], clock })
    await world.attach()
    const socket = connect(20_246, '127.0.0.1').on('error', () => {})
    socket.write('GET /watch HTTP/1.1\r\nHost: localhost\r\n\r\n')
    await eventually(() => expect(streams).toHaveLength(1))
    socket.pause()
    const text = 'x'.repeat(64 * 1024)
    await eventually(() => {
      streams[0]?.write(text)
      expect(clock.pending).toBe(1)
    })
    clock.advance(30_000)
    await eventually(() => expect(streams[0]?.signal.aborted).toBe(true))
    socket.destroy()
  })

  it('are so many at most', async () => {
    const { streams, registrar } = watching()
    await using world = await openAdminWorld(LOOPBACK, { registrars: [registrar] })
    await world.attach()
    const open = Array.from({ length: 256 }, () => ask(20_246, '/watch'))
    await eventually(() => expect(streams).toHaveLength(256))
    const refused = await ask(20_246, '/watch')
    expect([refused.code, refused.json['reason'], refused.headers['retry-after']]).toEqual([429, 'TooManyRequests', '1'])
    for (const stream of streams) stream.end()
    await Promise.all(open)
    await eventually(() => expect(streams.every(({ signal }) => signal.aborted)).toBe(true))
    const again = ask(20_246, '/watch')
    await eventually(() => expect(streams).toHaveLength(257))
    streams[256]?.end()
    expect((await again).code).toBe(200)
  })
})
