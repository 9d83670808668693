import type { ServerResponse } from 'node:http'
import type { FastifyReply } from 'fastify'

/** How every error is answered, whatever was asked for: a Status of the Kubernetes API, which kubectl shows as it should be
 *  and of which everyone else reads `message`. */
export interface Status {
  readonly kind: 'Status'
  readonly apiVersion: 'v1'
  readonly metadata: object
  readonly status: 'Failure'
  readonly message: string
  readonly reason: string
  readonly details?: object
  readonly code: number
}

const REASONS: Readonly<Record<number, string>> = {
  400: 'BadRequest',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'NotFound',
  405: 'MethodNotAllowed',
  406: 'NotAcceptable',
  409: 'Conflict',
  410: 'Expired',
  413: 'RequestEntityTooLarge',
  415: 'UnsupportedMediaType',
  422: 'Invalid',
  429: 'TooManyRequests',
  500: 'InternalError',
  503: 'ServiceUnavailable',
  504: 'Timeout',
}

/** Makes a Status; the reason follows from the code where it is not given. */
export function failure(
  code: number,
  message: string,
  more: { readonly reason?: string; readonly details?: object } = {},
): Status {
  const reason = more.reason ?? REASONS[code] ?? 'Unknown'
  const details = more.details ? { details: more.details } : {}
  return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message, reason, ...details, code }
}

/** Headers that go with every answer: none is a page to be framed, guessed at or kept. */
export const PLAIN_HEADERS = {
  'content-type': 'application/json',
  'x-content-type-options': 'nosniff',
  'cache-control': 'no-store',
}

/** Answers a route with a Status. */
export function sendStatus(reply: FastifyReply, status: Status): FastifyReply {
  return reply
    .code(status.code)
    .headers(PLAIN_HEADERS)
    .send(Buffer.from(`${JSON.stringify(status)}\n`))
}

/** Answers a request that no route is to see, and closes the connection: what else it may send is not read. */
export function refuse(response: ServerResponse, status: Status, headers: Readonly<Record<string, string>> = {}): void {
  const body = `${JSON.stringify(status)}\n`
  const length = String(Buffer.byteLength(body))
  response.writeHead(status.code, { ...PLAIN_HEADERS, ...headers, connection: 'close', 'content-length': length }).end(body)
}
