import type { SocketAddress } from './keys.ts'

/** Where the admin API is answered: a TCP address, or a Unix socket; its path is empty for the usual place. */
export type AdminAddress = ({ readonly kind: 'tcp' } & SocketAddress) | { readonly kind: 'unix'; readonly path: string }

/** Who may use the admin API. Paths of files; undefined: none. */
export interface AdminAccess {
  readonly tlsCert: string | undefined
  readonly tlsKey: string | undefined
  readonly tokenFile: string | undefined
  readonly clientCa: string | undefined
  readonly readOnly: boolean
}

/** Where objects given to the admin API are kept when nothing else was said; undefined when this process has no such place:
 *  it is not root, and has no home. */
export function usualStateDir({ uid, variables }: ProcessOwner): string | undefined {
  if (uid === 0) return '/var/lib/portald'
  const { XDG_STATE_HOME: state = '', HOME: home = '' } = variables
  if (state.startsWith('/')) return `${state.replace(/\/+$/, '')}/portald`
  return home.startsWith('/') ? `${home.replace(/\/+$/, '')}/.local/state/portald` : undefined
}

/** Whose process it is, as far as usual places depend on it. */
export interface ProcessOwner {
  readonly uid: number
  /** The environment. */
  readonly variables: Readonly<Record<string, string | undefined>>
}

/** The path of a Unix socket; undefined when the usual place was meant and this process has none: it is not root, and
 *  XDG_RUNTIME_DIR is not set. */
export function socketPath({ path }: { readonly path: string }, { uid, variables }: ProcessOwner): string | undefined {
  if (path !== '') return path
  if (uid === 0) return '/run/portald.sock'
  const folder = variables['XDG_RUNTIME_DIR'] ?? ''
  return folder.startsWith('/') ? `${folder.replace(/\/+$/, '')}/portald.sock` : undefined
}
