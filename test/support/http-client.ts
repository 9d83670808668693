import { once } from 'node:events'
import { type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http'
import { text } from 'node:stream/consumers'

export interface HttpAnswer {
  readonly code: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
}

/** Asks on a connection of its own: `fetch` may take one that a server which is gone has left behind. */
export async function askHttp(url: string, method = 'GET', body?: string): Promise<HttpAnswer> {
  const asking = request(url, { method, agent: false }).end(body)
  const [response] = (await once(asking, 'response')) as [IncomingMessage]
  return { code: response.statusCode ?? 0, headers: response.headers, text: await text(response) }
}
