import { connect } from 'node:net'
import type { SocketAddress } from '../../src/model/keys.ts'
import { TcpPeer } from './tcp-peer.ts'
import { within } from './within.ts'

/** Begins to connect; the peer can be used at once. A connection refused is a reset before the first byte. */
export function startTcpClient(address: Pick<SocketAddress, 'ip' | 'port'>): TcpPeer {
  return new TcpPeer(connect({ host: address.ip, port: address.port, allowHalfOpen: true, noDelay: true }))
}

/** Connects; resolves when connected, rejects when refused. */
export async function connectTcp(address: Pick<SocketAddress, 'ip' | 'port'>): Promise<TcpPeer> {
  const socket = connect({ host: address.ip, port: address.port, allowHalfOpen: true, noDelay: true })
  const peer = new TcpPeer(socket)
  await within(
    `a connection to ${address.ip}:${address.port}`,
    new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject)),
  )
  return peer
}

/** What a client that connects finds. */
export async function knock(address: Pick<SocketAddress, 'ip' | 'port'>): Promise<'accepted' | 'refused'> {
  try {
    await using _ = await connectTcp(address)
    return 'accepted'
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ECONNREFUSED') return 'refused'
    throw error
  }
}
