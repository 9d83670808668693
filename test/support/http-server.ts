import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Ip, Port } from '../../src/model/keys.ts'
import type { TestEndpoint } from './echo.ts'

/** An HTTP endpoint on a free port of `ip`, or the port given, that answers every request with what `answer` says of its path: a text, or a
 *  status. */
export async function openHttpServer(
  ip: string,
  answer: (path: string, request: IncomingMessage) => string | number,
  port = 0,
): Promise<TestEndpoint> {
  const server = createServer((request, response) => {
    const said = answer(request.url ?? '', request)
    if (typeof said === 'number') response.statusCode = said
    response.end(typeof said === 'number' ? undefined : said)
  }).listen(port, ip)
  await once(server, 'listening')
  return {
    address: { ip: ip as Ip, port: (server.address() as AddressInfo).port as Port },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
}
