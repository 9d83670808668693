import type { SocketAddress } from './keys.ts'

/** Where the admin API is answered: a TCP address, or a Unix socket; its path is empty for the usual place. */
export type AdminAddress = ({ readonly kind: 'tcp' } & SocketAddress) | { readonly kind: 'unix'; readonly path: string }

/** Whose process it is, as far as the usual place of the socket depends on it. */
export interface SocketOwner {
  readonly uid: number
  /** The environment, for XDG_RUNTIME_DIR. */
  readonly variables: Readonly<Record<string, string | undefined>>
}

/** The path of a Unix socket; undefined when the usual place was meant and this process has none: it is not root, and
 *  XDG_RUNTIME_DIR is not set. */
export function socketPath({ path }: { readonly path: string }, { uid, variables }: SocketOwner): string | undefined {
  if (path !== '') return path
  if (uid === 0) return '/run/portald.sock'
  const folder = variables['XDG_RUNTIME_DIR'] ?? ''
  return folder.startsWith('/') ? `${folder.replace(/\/+$/, '')}/portald.sock` : undefined
}
