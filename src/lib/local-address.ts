import { createSocket } from 'node:dgram'
import { isErrno } from './errors.ts'

/** Whether sockets can be bound to an IP address on this machine now: it is on an interface, a route makes it local, or the
 *  kernel does not care. Binds one for a moment to find out. */
export async function isLocalAddress(ip: string): Promise<boolean> {
  const socket = createSocket(ip.includes(':') ? 'udp6' : 'udp4')
  try {
    return await new Promise<boolean>((resolve) => {
      socket.once('error', (error) => resolve(!isErrno(error, 'EADDRNOTAVAIL') && !isErrno(error, 'EAFNOSUPPORT')))
      socket.bind({ address: ip, port: 0, exclusive: true }, () => resolve(true))
    })
  } finally {
    socket.close()
  }
}
