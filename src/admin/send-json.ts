import type { FastifyReply } from 'fastify'

/** Sends a health check's document with the headers that kube-proxy gives it. */
export function sendJson(reply: FastifyReply, code: number, body: object): FastifyReply {
  // As bytes, so that the type stays what kube-proxy says, without a charset.
  const bytes = Buffer.from(`${JSON.stringify(body)}\n`)
  return reply.code(code).header('content-type', 'application/json').header('x-content-type-options', 'nosniff').send(bytes)
}
