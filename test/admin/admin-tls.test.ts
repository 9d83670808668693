import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { type RequestOptions, request } from 'node:https'
import { connect } from 'node:net'
import { join } from 'node:path'
import { type TLSSocket, connect as tlsConnect } from 'node:tls'
import { afterAll, describe, expect, it } from 'vitest'
import type { AdminRegistrar } from '../../src/admin/front/registrar.ts'
import { manualClock } from '../../src/lib/clock.ts'
import type { GivenValues } from '../../src/model/config.ts'
import { openAdminWorld } from '../support/admin-world.ts'
import { makeCertificate } from '../support/certificates.ts'
import { eventually } from '../support/eventually.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'

const folder = makeTemporaryFolder()
afterAll(() => folder[Symbol.dispose]())
const NAMES = 'DNS:lb.example,IP:127.0.0.1'
const authority = makeCertificate(folder.path, 'authority')
const server = makeCertificate(folder.path, 'server', { by: authority, names: NAMES })
const carol = makeCertificate(folder.path, 'carol', { by: authority })
const stranger = makeCertificate(folder.path, 'stranger', { by: makeCertificate(folder.path, 'other-authority') })
const ALICE = 'alice-has-a-long-token'
const BOB = 'bob-has-another-token'

const PORT = 20_248
const place = `0.0.0.0:${PORT}`
const whoami: AdminRegistrar = (app, { callerOf }) => {
  app.all('/whoami', (request) => ({ name: callerOf(request).name }))
}

function tokenFile(text: string): string {
  const path = join(folder.path, `tokens-${Math.floor(performance.now() * 1000)}`)
  writeFileSync(path, text, { mode: 0o600 })
  return path
}

const flagsFor = (more: GivenValues = {}): GivenValues => ({
  admin: [place],
  adminTlsCert: [server.certPath],
  adminTlsKey: [server.keyPath],
  ...more,
})

async function openWorld(more: GivenValues, clock = manualClock()) {
  const world = await openAdminWorld(flagsFor(more), { registrars: [whoami], clock })
  await world.attach()
  return { world, clock, [Symbol.asyncDispose]: () => world[Symbol.asyncDispose]() }
}

/** `200 alice`, or the code and reason of a refusal. */
function ask(options: RequestOptions & { readonly token?: string } = {}): Promise<string> {
  const { token, headers, ...rest } = options
  const authorization = token === undefined ? {} : { authorization: `Bearer ${token}` }
  return new Promise((resolve, reject) => {
    const common = { host: '127.0.0.1', port: PORT, path: '/whoami', ca: authority.cert, agent: false } as const
    const asking = request({ ...common, headers: { ...authorization, ...headers }, ...rest }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk
      })
      response.on('end', () => {
        const { name, reason } = JSON.parse(text) as { name?: string; reason?: string }
        resolve(`${response.statusCode} ${name ?? reason}`)
      })
    })
    asking.on('error', reject).end()
  })
}

describe('admin API on a network', () => {
  it.each([
    [{ admin: [place] }, '--admin 0.0.0.0: it can be reached from a network, which needs --admin-tls-cert and --admin-tls-key'],
    [flagsFor(), '--admin 0.0.0.0: it can be reached from a network, so say who may: --admin-token-file or --admin-client-ca'],
    [flagsFor({ adminTokenFile: ['/nowhere'] }), "/nowhere: ENOENT: no such file or directory, stat '/nowhere'"],
    [{ ...flagsFor({ adminClientCa: ['/nowhere'] }) }, `${server.certPath}, ${server.keyPath}, /nowhere: ENOENT`],
    [{ ...flagsFor({ adminTokenFile: [server.certPath], adminTlsKey: [carol.keyPath] }) }, 'key values mismatch'],
    [flagsFor({ adminTokenFile: [tokenFile('too-short,alice')] }), 'line 1: a token needs 16 characters at least'],
  ])('does not start where something that it needs is missing: %#', async (flags, message) => {
    await expect(openAdminWorld(flags)).rejects.toMatchObject({ code: 'E_ADMIN', message: expect.stringContaining(message) })
  })

  it('lets in who brings a token, and nobody without TLS', async () => {
    const tokens = tokenFile(`${ALICE},alice\n${BOB},bob,read-only\n`)
    await using opened = await openWorld({ adminTokenFile: [tokens] })
    expect(await ask({ token: ALICE })).toBe('200 alice')
    expect(await ask({ token: ALICE, method: 'POST' })).toBe('200 alice')
    expect(await ask({ token: BOB })).toBe('200 bob')
    expect(await ask({ token: BOB, method: 'POST' })).toBe('403 Forbidden')
    expect(await ask({ token: `${ALICE}x` })).toBe('401 Unauthorized')
    expect(await ask()).toBe('401 Unauthorized')
    expect(await ask({ cert: carol.cert, key: carol.key })).toBe('401 Unauthorized')
    expect(await ask({ token: ALICE, headers: { host: 'evil.example' }, checkServerIdentity: () => undefined })).toBe(
      '403 Forbidden',
    )
    expect(await ask({ token: ALICE, headers: { host: `lb.example:${PORT}` } })).toBe('200 alice')
    const plain = connect(PORT, '127.0.0.1').on('error', () => {})
    let heard = ''
    plain.on('data', (data) => {
      heard += data
    })
    plain.write(`GET /whoami HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer ${ALICE}\r\n\r\n`)
    await new Promise((resolve) => plain.on('close', resolve))
    expect(heard).not.toContain('alice')
    const log = JSON.stringify(opened.world.logger.lines)
    expect(opened.world.logger.of('admin.refused').length).toBeGreaterThan(0)
    expect(log).not.toContain(ALICE)
    expect(log).not.toContain(BOB)
  })

  it('lets in who has a certificate of the authority, and no other', async () => {
    await using _opened = await openWorld({ adminClientCa: [authority.certPath] })
    expect(await ask({ cert: carol.cert, key: carol.key })).toBe('200 carol')
    expect(await ask({ cert: carol.cert, key: carol.key, method: 'DELETE' })).toBe('200 carol')
    expect(await ask({ cert: stranger.cert, key: stranger.key })).toBe('401 Unauthorized')
    expect(await ask()).toBe('401 Unauthorized')
    expect(await ask({ token: 'any-token-at-all-whatever' })).toBe('401 Unauthorized')
  })

  it('changes nothing when it is read-only, whoever asks', async () => {
    const more = { adminTokenFile: [tokenFile(`${ALICE},alice`)], adminReadOnly: ['true'] }
    await using _opened = await openWorld(more)
    expect(await ask({ token: ALICE })).toBe('200 alice')
    expect(await ask({ token: ALICE, method: 'POST' })).toBe('403 Forbidden')
  })

  it('reads tokens again when they change, and keeps them while the file cannot be used', async () => {
    const tokens = tokenFile(`${ALICE},alice`)
    await using opened = await openWorld({ adminTokenFile: [tokens] })
    const { clock, world } = opened
    expect(await ask({ token: BOB })).toBe('401 Unauthorized')
    writeFileSync(tokens, `${BOB},bob`)
    clock.advance(1000)
    expect(await ask({ token: BOB })).toBe('200 bob')
    expect(await ask({ token: ALICE })).toBe('401 Unauthorized')
    writeFileSync(tokens, 'oh-no-a-secret-without-a-name')
    for (let n = 0; n < 3; n++) {
      clock.advance(1000)
      expect(await ask({ token: BOB })).toBe('200 bob')
    }
    const failures = world.logger.of('admin.failed')
    expect(failures).toMatchObject([{ fields: { key: tokens } }])
    expect(JSON.stringify(failures)).not.toContain('oh-no')
  })

  it('takes a new certificate for new connections, once it fits its key', async () => {
    const [certPath, keyPath] = [join(folder.path, 'live.crt'), join(folder.path, 'live.key')]
    writeFileSync(certPath, server.cert)
    writeFileSync(keyPath, server.key)
    const more = { adminTlsCert: [certPath], adminTlsKey: [keyPath], adminTokenFile: [tokenFile(`${ALICE},alice`)] }
    await using opened = await openWorld(more)
    const shown = async (): Promise<string> => {
      const socket = tlsConnect({ host: '127.0.0.1', port: PORT, rejectUnauthorized: false })
      await once(socket, 'secureConnect')
      const { CN } = socket.getPeerCertificate().subject
      socket.destroy()
      return String(CN)
    }
    expect(await shown()).toBe('server')
    const next = makeCertificate(folder.path, 'next', { by: authority, names: NAMES })
    writeFileSync(certPath, next.cert)
    opened.clock.advance(1000)
    expect(await shown()).toBe('server')
    expect(opened.world.logger.of('admin.failed')).toHaveLength(1)
    writeFileSync(keyPath, next.key)
    opened.clock.advance(1000)
    expect(await shown()).toBe('next')
    expect(await ask({ token: ALICE })).toBe('200 alice')
  })

  it('believes no certificate of an authority that was replaced, not even on a connection that stands', async () => {
    const caPath = join(folder.path, 'live-ca.crt')
    writeFileSync(caPath, authority.cert)
    await using opened = await openWorld({ adminClientCa: [caPath] })
    const options = { host: '127.0.0.1', port: PORT, ca: authority.cert, cert: carol.cert, key: carol.key }
    const socket: TLSSocket = tlsConnect(options)
    let heard = ''
    socket.setEncoding('utf8').on('data', (text) => {
      heard += text
    })
    socket.write('GET /whoami HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n')
    await eventually(() => expect(heard).toContain('carol'))
    writeFileSync(caPath, makeCertificate(folder.path, 'new-authority').cert)
    opened.clock.advance(1000)
    socket.write('GET /whoami HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n')
    await eventually(() => expect(heard).toContain('HTTP/1.1 401'))
    socket.destroy()
    expect(await ask({ cert: carol.cert, key: carol.key })).toBe('401 Unauthorized')
  })
})

describe('admin API against those who mean no good', () => {
  it('refuses a page that had its name lead here, and one that says where it is from', async () => {
    await using world = await openAdminWorld({ admin: [`127.0.0.1:${PORT}`] }, { registrars: [whoami] })
    await world.attach()
    const code = async (headers: string): Promise<string> => {
      const socket = connect(PORT, '127.0.0.1')
      let heard = ''
      socket.setEncoding('utf8').on('data', (text) => {
        heard += text
      })
      socket.write(`GET /whoami HTTP/1.1\r\n${headers}\r\n\r\n`)
      await eventually(() => expect(heard).toMatch(/\r\n\r\n\{/))
      socket.destroy()
      return heard.slice(9, 12)
    }
    expect(await code('Host: rebound.example:20248')).toBe('403')
    expect(await code('Host: localhost\r\nOrigin: https://evil.example')).toBe('403')
    expect(await code('Host: localhost\r\nSec-Fetch-Site: cross-site')).toBe('403')
    expect(await code('Host: localhost')).toBe('200')
  })

  it('closes a connection that takes for ever to say what it wants', async () => {
    await using world = await openAdminWorld({ admin: [`127.0.0.1:${PORT}`] }, { requestMs: 200 })
    await world.attach()
    const socket = connect(PORT, '127.0.0.1').on('error', () => {})
    let heard = ''
    socket.on('data', (text) => {
      heard += text
    })
    socket.write('GET / HTTP/1.1\r\nHost: localhost\r\n')
    let lines = 0
    const dripping = setInterval(() => socket.write(`X-${lines++}: y\r\n`), 20)
    await new Promise((resolve) => socket.on('close', resolve))
    clearInterval(dripping)
    // What it dripped after the answer may have reset the connection, and the answer with it.
    expect(heard).toMatch(/^$|^HTTP\/1\.1 408/)
  })
})
