import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Ip, Port } from '../../src/model/keys.ts'
import type { TestEndpoint } from './echo.ts'

/** An HTTP endpoint on a free port of `ip` that answers every request with what `answer` says of its path. */
export async function openHttpServer(ip: string, answer: (path: string) => string): Promise<TestEndpoint> {
  const server = createServer((request, response) => void response.end(answer(request.url ?? ''))).listen(0, ip)
  await once(server, 'listening')
  return {
    address: { ip: ip as Ip, port: (server.address() as AddressInfo).port as Port },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
}
