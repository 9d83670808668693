import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { load } from 'js-yaml'
import { describe, expect, it } from 'vitest'
import { openRefusing, TcpEndpoint, type TestEndpoint, UdpEndpoint } from '../support/echo.ts'
import { eventually } from '../support/eventually.ts'
import { openHttpServer } from '../support/http-server.ts'
import { aService, type Json } from '../support/objects.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'
import { slicesOf, World, type WorldOptions } from '../support/world.ts'

const PAGE = join(import.meta.dirname, '../../docs/health.md')
const NETWORK = '127.130.3'
const GOOD_IP = `${NETWORK}.11`
const BAD_IP = `${NETWORK}.12`

/** The blocks of YAML below a heading. */
function examples(heading: string): Json[] {
  const [, section = ''] = new RegExp(`\\n#+ ${heading}\\n([\\s\\S]*?)(?=\\n#|$)`).exec(readFileSync(PAGE, 'utf8')) ?? []
  return [...section.matchAll(/```yaml\n([\s\S]+?)```/g)].map(([, text]) => load(text as string) as Json)
}

interface Pair extends AsyncDisposable {
  readonly good: TestEndpoint
  readonly bad: TestEndpoint
}

/** Serves a Service with these annotations, and waits until what is known of its two endpoints is this. */
async function serves(
  annotations: Json | undefined,
  { good, bad }: { readonly good: TestEndpoint; readonly bad: TestEndpoint },
  badIs: { readonly state: string; readonly agentPercent?: number },
  { protocol = 'TCP', ...options }: WorldOptions & { readonly protocol?: string } = {},
): Promise<void> {
  expect(annotations).toBeDefined()
  await using world = await World.open('node', NETWORK, options)
  const spec = { clusterIP: `${NETWORK}.1`, ports: [{ port: 8080, protocol }] }
  await world.apply(aService('web', spec, { annotations }), slicesOf('web', [good, bad], { protocol }))
  await eventually(() => {
    const { endpoints, totals } = world.proxy.health()
    expect(endpoints).toEqual([
      expect.objectContaining({ endpoint: expect.stringContaining(good.address.ip), state: 'up' }),
      expect.objectContaining({ endpoint: expect.stringContaining(bad.address.ip), ...badIs }),
    ])
    // It is not up for not having been asked yet.
    if (badIs === DOWN) expect(totals[0]?.checks.good).toBeGreaterThan(0)
  })
  expect(world.proxy.read().problems).toEqual([])
}

const DOWN = { state: 'down' }

/** Two endpoints that answer with these scripts. */
async function scripted(good: string, bad: string): Promise<Pair> {
  const endpoints = [await TcpEndpoint.open(GOOD_IP, good), await TcpEndpoint.open(BAD_IP, bad)] as const
  return {
    good: endpoints[0],
    bad: endpoints[1],
    async [Symbol.asyncDispose]() {
      for (const endpoint of endpoints) await endpoint[Symbol.asyncDispose]()
    },
  }
}

describe('the examples of docs/health.md', () => {
  it('TCP connect', async () => {
    await using good = await TcpEndpoint.open(GOOD_IP, 'echo')
    await using bad = await openRefusing(BAD_IP)
    await serves(examples('TCP connect')[0], { good, bad }, DOWN)
  })

  it('send and expect', async () => {
    await using endpoints = await scripted('read 6, say +PONG', 'read 6, say -ERR, shut')
    await serves(examples('Send and expect')[0], endpoints, DOWN)
  })

  it('HTTP', async () => {
    await using good = await openHttpServer(GOOD_IP, (path) => (path === '/healthz' ? 200 : 404))
    await using bad = await openHttpServer(BAD_IP, () => 503)
    await serves(examples('HTTP')[0], { good, bad }, DOWN)
  })

  it('UDP', async () => {
    const questions: Buffer[] = []
    await using good = await UdpEndpoint.open(GOOD_IP, (question) => {
      questions.push(question)
      return Buffer.concat([question.subarray(0, 2), Buffer.from([0x81, 0x80])])
    })
    await using bad = await UdpEndpoint.open(BAD_IP, () => Buffer.from('no'))
    await serves(examples('UDP')[0], { good, bad }, DOWN, { protocol: 'UDP' })
    // One question: NS of the root, class IN.
    expect(questions[0]?.toString('hex')).toBe('123401000001000000000000' + '00' + '0002' + '0001')
  })

  it('programs', async () => {
    const [annotations, configuration = {}] = examples('Programs')
    using folder = makeTemporaryFolder()
    // In the place of redis-cli, which nobody has to have here.
    const program = join(folder.path, 'redis-cli')
    writeFileSync(program, `#!/bin/sh\n[ "$1 $3 $5" = "-h -p ping" ] && [ "$2" = ${GOOD_IP} ]\n`, { mode: 0o700 })
    const checkProgram = (configuration['checkProgram'] as string[]).map((line) => line.replace('/usr/bin/redis-cli', program))
    await using endpoints = await scripted('echo', 'echo')
    await serves(annotations, endpoints, DOWN, { inputs: { checkProgram } })
  })

  it('another port', async () => {
    const [annotations] = examples('Another port')
    await using endpoints = await scripted('echo', 'echo')
    await using _ = await openHttpServer(GOOD_IP, (path) => (path === '/ready' ? 200 : 404), 8081)
    await serves(annotations, endpoints, DOWN)
  })

  it('agents', async () => {
    await using endpoints = await scripted('echo', 'echo')
    await using _ = await TcpEndpoint.open(BAD_IP, 'say 75%, shut', 8100)
    await serves(examples('Agents')[0], endpoints, { state: 'up', agentPercent: 75 })
  })

  it('ejection', async () => {
    await using good = await TcpEndpoint.open(GOOD_IP, 'say good, shut')
    await using bad = await openRefusing(BAD_IP)
    await using world = await World.open('node', NETWORK)
    const spec = { clusterIP: `${NETWORK}.1`, ports: [{ port: 8080 }] }
    await world.apply(aService('web', spec, { annotations: examples('Ejection')[0] }), slicesOf('web', [good, bad]))
    while (world.log.of('endpoint.ejected').length === 0) expect(await world.ask(`${NETWORK}.1:8080`)).toBe('good')
    const [ejected] = world.proxy.health().endpoints.filter(({ state }) => state === 'ejected')
    expect(ejected?.endpoint).toContain(BAD_IP)
    expect(ejected?.lastFailure?.reason).toMatch(/^\d+ failures in a row$/)
    const lengthMs = (ejected?.ejectedUntilMs as number) - (ejected?.sinceMs as number)
    expect(lengthMs).toBeGreaterThan(29_000)
    expect(lengthMs).toBeLessThan(34_000)
  })

  it('when too few are left', async () => {
    const [annotations] = examples('When too few are left')
    await using good = await TcpEndpoint.open(GOOD_IP, 'say good, shut')
    const bad = [await openRefusing(BAD_IP), await openRefusing(BAD_IP), await openRefusing(BAD_IP)]
    await using world = await World.open('node', NETWORK)
    const spec = { clusterIP: `${NETWORK}.1`, ports: [{ port: 8080 }] }
    await world.apply(aService('web', spec, { annotations }), slicesOf('web', [good, ...bad]))
    await eventually(() => expect(world.log.of('endpoint.panic').length).toBeGreaterThan(0))
    // All are used, so some clients are refused at first, and served all the same.
    expect(new Set(await world.askTimes(8, `${NETWORK}.1:8080`))).toEqual(new Set(['good']))
    expect((await world.ended(8)).some(({ attempts }) => attempts > 1)).toBe(true)
  })

  it('are all of them', () => {
    const blocks = readFileSync(PAGE, 'utf8').match(/```yaml\n/g) ?? []
    const known = [
      'TCP connect',
      'Send and expect',
      'HTTP',
      'UDP',
      'Programs',
      'Another port',
      'Agents',
      'Ejection',
      'When too few are left',
    ]
    expect(known.flatMap(examples)).toHaveLength(blocks.length)
  })
})
