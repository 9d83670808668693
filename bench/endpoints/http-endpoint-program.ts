import { createServer } from 'node:http'

/** Answers every request with a few bytes, on each ADDRESS:PORT of its arguments. */
for (const address of process.argv.slice(2)) {
  const [host = '', port = ''] = address.split(':')
  const server = createServer((_request, response) => response.writeHead(200, { 'content-length': 3 }).end('ok\n'))
  server.keepAliveTimeout = 3_600_000
  server.listen({ port: Number(port), host, backlog: 4096 })
}
