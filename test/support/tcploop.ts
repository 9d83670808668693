import { createServer } from 'node:net'
import { connectTcp } from './tcp-client.ts'
import { TcpPeer } from './tcp-peer.ts'
import { parseTcpScript } from './tcp-script.ts'

/** `node test/support/tcploop.ts 127.0.0.1:9000 'accept, send 5, shut, wait 100ms, reset'`: plays an endpoint (or, when
 *  the script begins with `connect`, a client) from the command line, and tells what came. */
function report(peer: TcpPeer): void {
  console.log(
    `${peer.localPort}: sent ${peer.sent}, received ${peer.received.bytes} ${peer.received.sha256}, ${peer.outcome ?? 'open'}`,
  )
}

async function play(run: (peer: TcpPeer) => Promise<void>, peer: TcpPeer): Promise<void> {
  try {
    await run(peer)
  } catch (error) {
    console.error(`${peer.localPort}: ${(error as Error).message}`)
  }
  report(peer)
}

const [address = '', script = ''] = process.argv.slice(2)
const [, ip = '', port = ''] = /^\[?(.*?)\]?:(\d+)$/.exec(address) ?? []
if (ip === '' || script === '') {
  console.error(
    "usage: node test/support/tcploop.ts IP:PORT 'accept|connect, send N, say TEXT, read N|end, echo, pause, resume, wait 100ms, shut, reset, close'",
  )
  process.exitCode = 2
} else {
  const { role, run } = parseTcpScript(script)
  if (role === 'client') await play(run, await connectTcp({ ip, port: Number(port) } as never))
  else
    createServer({ allowHalfOpen: true, noDelay: true }, (socket) => void play(run, new TcpPeer(socket))).listen(Number(port), ip)
}
