import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { eventually } from './eventually.ts'

/** What the test asks of a host of its own; every request is answered by its ticket. */
export type PeerRequest =
  /** Answers TCP and UDP clients with `NAME CLIENT-ADDRESS`, and TCP clients with whatever they say after that. */
  | { readonly do: 'serve'; readonly name: string; readonly ip: string; readonly port: number }
  /** What a client is told, or the error it meets. */
  | { readonly do: 'ask'; readonly protocol: 'TCP' | 'UDP'; readonly ip: string; readonly port: number }
  /** Connects and stays; what it is told first. */
  | { readonly do: 'hold'; readonly ip: string; readonly port: number }
  /** What comes back on the connection held last. */
  | { readonly do: 'say'; readonly text: string }
  | { readonly do: 'let-go' }

const PATIENCE_MS = 3_000
let held: Socket | undefined

async function answer(request: PeerRequest): Promise<string> {
  switch (request.do) {
    case 'serve':
      await serve(request)
      return ''
    case 'ask':
      return request.protocol === 'TCP' ? await askTcp(request.ip, request.port) : await askUdp(request.ip, request.port)
    case 'hold':
      held = connect(request.port, request.ip)
      return await nextText(held)
    case 'say':
      held?.write(request.text)
      return await nextText(held as Socket)
    case 'let-go':
      held?.destroy()
      return ''
  }
}

async function serve({ name, ip, port }: PeerRequest & { do: 'serve' }): Promise<void> {
  const server = createServer((socket) => {
    socket.on('error', () => {})
    socket.write(`${name} ${socket.remoteAddress}`)
    socket.pipe(socket)
  })
  server.listen(port, ip)
  const datagrams = createSocket(ip.includes(':') ? 'udp6' : 'udp4')
  datagrams.on('message', (_, from) => datagrams.send(`${name} ${from.address}`, from.port, from.address))
  datagrams.bind(port, ip)
  await Promise.all([once(server, 'listening'), once(datagrams, 'listening')])
}

async function askTcp(ip: string, port: number): Promise<string> {
  const socket = connect(port, ip)
  const text = await nextText(socket)
  socket.destroy()
  return text
}

/** A connected socket hears of no other address than the one it sends to. */
async function askUdp(ip: string, port: number): Promise<string> {
  const socket = createSocket(ip.includes(':') ? 'udp6' : 'udp4')
  let heard: string | undefined
  socket.on('message', (datagram) => {
    heard = String(datagram)
  })
  socket.on('error', (error: NodeJS.ErrnoException) => {
    heard ??= `error ${error.code}`
  })
  socket.connect(port, ip)
  await once(socket, 'connect')
  try {
    return await eventually(
      () => {
        socket.send('question', () => {})
        if (heard === undefined) throw new Error('silence')
        return heard
      },
      { patienceMs: PATIENCE_MS },
    )
  } catch {
    return 'silence'
  } finally {
    socket.close()
  }
}

function nextText(socket: Socket): Promise<string> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve('silence'), PATIENCE_MS)
    const told = (text: string) => {
      clearTimeout(timer)
      resolve(text)
    }
    socket.once('data', (chunk) => told(String(chunk)))
    socket.once('error', (error: NodeJS.ErrnoException) => told(`error ${error.code}`))
    socket.once('end', () => told('end'))
  })
}

process.on('message', ({ ticket, request }: { ticket: number; request: PeerRequest }) => {
  void answer(request).then((text) => process.send?.({ ticket, text }))
})
process.on('disconnect', () => process.exit())
