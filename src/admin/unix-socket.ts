import { once } from 'node:events'
import { lstat, unlink } from 'node:fs/promises'
import { connect } from 'node:net'
import { isErrno, ProxyError } from '../lib/errors.ts'

/** Makes sure that nothing stands in the way of a Unix socket here: what a killed process left is removed.
 *  @throws ProxyError E_ADMIN when a process answers there, or when it is no socket at all. */
export async function removeDeadSocket(path: string): Promise<void> {
  const found = await identityOf(path)
  if (!found) return
  if (!found.isSocket) throw inTheWay(path, 'it is there already, and is no socket: name another path')
  if (await isAlive(path)) {
    throw inTheWay(path, 'another process answers there: give one of the two another --admin, or an empty one')
  }
  // What stands there now may be another instance's, started at the same moment.
  if ((await identityOf(path))?.key !== found.key) return
  await unlink(path).catch((error: unknown) => {
    if (!isErrno(error, 'ENOENT')) throw error
  })
}

function inTheWay(path: string, reason: string): ProxyError {
  return new ProxyError('E_ADMIN', 'config', `unix:${path}: ${reason}`)
}

async function identityOf(path: string): Promise<{ readonly key: string; readonly isSocket: boolean } | undefined> {
  try {
    const found = await lstat(path, { bigint: true })
    return { key: `${found.dev}:${found.ino}:${found.ctimeNs}`, isSocket: found.isSocket() }
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined
    throw error
  }
}

/** Only a refusal says that nobody listens: a socket that is not ours to use, or that is full, belongs to somebody. */
async function isAlive(path: string): Promise<boolean> {
  const socket = connect({ path })
  try {
    await once(socket, 'connect')
    return true
  } catch (error) {
    return !isErrno(error, 'ECONNREFUSED') && !isErrno(error, 'ENOENT')
  } finally {
    socket.destroy()
  }
}
