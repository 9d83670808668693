import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/** A server that says its name to each client, then echoes; closed with all its connections when disposed. */
export interface NamedServer extends AsyncDisposable {
  readonly name: string
  readonly port: number
}

/** Opens one on a free port. */
export async function openNamedServer(name: string, ip = '127.0.0.1'): Promise<NamedServer> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {}).on('close', () => sockets.delete(socket))
    socket.write(`${name}\n`)
    socket.pipe(socket)
  }).listen(0, ip)
  await once(server, 'listening')
  return {
    name,
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

/** Connects and resolves with the socket and the first line that comes. */
export async function connectNamed(ip: string, port: number): Promise<{ readonly socket: Socket; readonly name: string }> {
  const socket = connect(port, ip)
  const [bytes] = (await once(socket, 'data')) as [Buffer]
  socket.on('error', () => {})
  return { socket, name: bytes.toString().trim() }
}

/** Connects, reads the name and leaves. */
export async function askName(ip: string, port: number): Promise<string> {
  const { socket, name } = await connectNamed(ip, port)
  socket.destroy()
  return name
}
