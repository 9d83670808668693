import type { IncomingMessage, ServerResponse } from 'node:http'

/** Sends a health check's document with the headers that kube-proxy gives it. */
export function sendJson(response: ServerResponse, code: number, body: object, headers: Record<string, string> = {}): void {
  const bytes = Buffer.from(`${JSON.stringify(body)}\n`)
  response
    .writeHead(code, {
      ...headers,
      'content-type': 'application/json',
      'x-content-type-options': 'nosniff',
      'content-length': bytes.length,
    })
    .end(bytes)
}

/** Sends text, plain if nothing else is said. */
export function sendText(response: ServerResponse, code: number, text: string, contentType = 'text/plain; charset=utf-8'): void {
  response.writeHead(code, { 'content-type': contentType, 'content-length': Buffer.byteLength(text) }).end(text)
}

/** What is sent along with a request is never read; a connection that has something of it to come is not used again. */
export function leaveBody({ headers }: IncomingMessage, response: ServerResponse): void {
  if (headers['content-length'] || headers['transfer-encoding']) response.setHeader('connection', 'close')
}
