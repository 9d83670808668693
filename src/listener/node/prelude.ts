import type { Socket } from 'node:net'
import { fillClientAddress } from '../../model/address.ts'
import type { Prelude } from '../../model/proxy-header.ts'
import type { ClientAddress } from '../../model/session.ts'
import { HEADER_ROOM_BYTES, type Introduction } from '../proxy-header.ts'
import { writeProxyHeader } from '../proxy-header-writer.ts'

/** Sends an endpoint what goes ahead of all that the client on `socket` sends. */
export function sendPrelude(
  endpoint: Socket,
  prelude: Prelude,
  session: { readonly id: number; readonly client: ClientAddress },
  socket: Socket,
  introduction: Introduction | undefined,
): void {
  const { id, client } = session
  const local = introduction?.local ?? localAddressOf(socket)
  const room = Buffer.allocUnsafe(HEADER_ROOM_BYTES)
  const bytes = writeProxyHeader(prelude, { id, client, local, receivedTlvs: introduction?.tlvs }, room, 0)
  // A copy: it may wait long to be written, and the room is large.
  endpoint.write(Buffer.from(room.subarray(0, bytes)))
  // What the client says next is not to wait until this is acknowledged.
  endpoint.setNoDelay()
}

function localAddressOf(socket: Socket): ClientAddress {
  const local = { word0: 0, word1: 0, word2: 0, word3: 0, port: 0 }
  fillClientAddress(socket.localAddress ?? '0.0.0.0', socket.localPort ?? 0, local)
  return local
}
