import { connect } from 'node:net'
import type { SocketAddress } from '../../src/model/keys.ts'
import { TcpPeer } from './tcp-peer.ts'
import { within } from './within.ts'

function socketTo({ ip, port }: SocketAddress, from?: string) {
  return connect({ host: ip, port, allowHalfOpen: true, noDelay: true, ...(from === undefined ? {} : { localAddress: from }) })
}

/** Begins to connect; the peer can be used at once. A connection refused is a reset before the first byte. */
export function startTcpClient(address: SocketAddress): TcpPeer {
  return new TcpPeer(socketTo(address))
}

/** Connects, from the address `from` if given; resolves when connected, rejects when refused. */
export async function connectTcp(address: SocketAddress, from?: string): Promise<TcpPeer> {
  const socket = socketTo(address, from)
  const peer = new TcpPeer(socket)
  await within(
    `a connection to ${address.ip}:${address.port}`,
    new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject)),
  )
  return peer
}

/** What a client that connects finds; it leaves at once. */
export async function knock(address: SocketAddress): Promise<'accepted' | 'refused'> {
  try {
    await using _ = await connectTcp(address)
    return 'accepted'
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ECONNREFUSED') return 'refused'
    throw error
  }
}
