import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { Ip, Port } from '../../src/model/keys.ts'
import { TcpEndpoint } from '../support/echo.ts'
import { libc, WITHOUT_NATIVE } from '../support/native-engine.ts'
import { connectTcp } from '../support/tcp-client.ts'
import { within } from '../support/within.ts'

const PROGRAM = join(import.meta.dirname, '../support/native-process.ts')
/** What was promised. */
const SOON_MS = 1_000
const IP = '127.42.6.250' as Ip
let lastPort = 19_000

interface Running extends AsyncDisposable {
  /** Tells the process to end, or kills it; resolves with how it ended and how long that took. */
  end(signal?: NodeJS.Signals): Promise<{ code: number | null; signal: string | null; tookMs: number }>
}

/** A process whose workers are idle, or busy with bulk both ways. */
async function start(workers: number, how: string, busy: boolean): Promise<Running> {
  const stack = new AsyncDisposableStack()
  const endpoint = stack.use(await TcpEndpoint.open('127.42.6.1', 'send 512M'))
  const address = { ip: IP, port: ++lastPort as Port }
  const to = endpoint.address
  const args = [PROGRAM, `${workers}`, address.ip, `${address.port}`, to.ip, `${to.port}`, how]
  const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'pipe'] })
  stack.defer(() => void child.kill('SIGKILL'))
  const gone = once(child, 'exit') as Promise<[number | null, string | null]>
  const [state] = (await within('the process to listen', once(child.stdout, 'data'))) as [Buffer]
  expect(`${state}`.trim()).toBe('listening')
  for (let n = 0; n < 4; n++) {
    const client = stack.use(await connectTcp(address))
    await client.receives(1)
    if (!busy) client.pause()
    else void client.sendPattern(512 * 2 ** 20)
  }
  return {
    async end(signal) {
      const startedMs = performance.now()
      if (signal) child.kill(signal)
      else child.stdin.write('now\n')
      const [code, by] = await within('the process to end', gone)
      return { code, signal: by, tookMs: performance.now() - startedMs }
    },
    [Symbol.asyncDispose]: () => stack[Symbol.asyncDispose](),
  }
}

describe.skipIf(!libc)(`a process with native workers${WITHOUT_NATIVE}`, () => {
  for (const busy of [false, true]) {
    for (const workers of [1, 4]) {
      const them = `${workers} ${busy ? 'busy' : 'idle'} worker${workers > 1 ? 's' : ''}`
      for (const [how, code] of [
        ['disposes the engine', 0],
        ['calls process.exit', 0],
        ['throws an error nobody catches', 1],
        ['has a rejection nobody handles', 1],
      ] as const) {
        it(`that ${how} ends at once, with ${them}`, async () => {
          await using running = await start(workers, how, busy)
          const ended = await running.end()
          expect([ended.code, ended.signal]).toEqual([code, null])
          expect(ended.tookMs).toBeLessThan(SOON_MS)
        })
      }

      it(`that is terminated ends at once, with ${them}`, async () => {
        await using running = await start(workers, '', busy)
        const ended = await running.end('SIGTERM')
        expect(ended.signal).toBe('SIGTERM')
        expect(ended.tookMs).toBeLessThan(SOON_MS)
      })
    }
  }
})
