import { createServer } from 'node:net'
import type { Ip, Port } from '../../src/model/keys.ts'
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

/** Plays what the command line says. */
async function start(address: string, script: string): Promise<void> {
  const [, ip = '', port = ''] = /^\[?(.*?)\]?:(\d+)$/.exec(address) ?? []
  if (ip === '' || script === '') throw new SyntaxError(`"${address}" "${script}": an address and a script are needed`)
  const { role, run } = parseTcpScript(script)
  if (role === 'client') await play(run, await connectTcp({ ip: ip as Ip, port: Number(port) as Port }))
  else
    createServer({ allowHalfOpen: true, noDelay: true }, (socket) => void play(run, new TcpPeer(socket)))
      .on('error', (error) => console.error(error.message))
      .listen(Number(port), ip)
}

try {
  await start(process.argv[2] ?? '', process.argv.slice(3).join(' '))
} catch (error) {
  console.error((error as Error).message)
  console.error("usage: node test/support/tcploop.ts IP:PORT 'accept, send 5, shut, wait 100ms, reset'")
  process.exitCode = 2
}
