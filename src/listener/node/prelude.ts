import type { Socket } from 'node:net'
import type { Prelude } from '../../model/proxy-header.ts'
import type { ClientAddress } from '../../model/session.ts'
import { HEADER_ROOM_BYTES, type Introduction } from '../proxy-header.ts'
import { writeProxyHeader } from '../proxy-header-writer.ts'
import { socketAddress } from './socket-ends.ts'

/** Sends an endpoint what goes ahead of all that the client on `socket` sends. */
export function sendPrelude(
  endpoint: Socket,
  prelude: Prelude,
  session: { readonly id: number; readonly client: ClientAddress },
  socket: Socket,
  introduction: Introduction | undefined,
): void {
  const { id, client } = session
  const local = introduction?.local ?? socketAddress(socket.localAddress, socket.localPort)
  const room = Buffer.allocUnsafe(HEADER_ROOM_BYTES)
  const bytes = writeProxyHeader(prelude, { id, client, local, receivedTlvs: introduction?.tlvs }, room, 0)
  // A copy: it may wait long to be written, and the room is large.
  endpoint.write(Buffer.from(room.subarray(0, bytes)))
  // What the client says next is not to wait until this is acknowledged.
  endpoint.setNoDelay()
}
