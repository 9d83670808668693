import type { SessionFilter } from './listener.ts'

/** Where it stands which number, listener and lease a session has. */
export interface FilteredColumns {
  readonly ids: Float64Array
  readonly listeners: Int32Array
  readonly leases: Int32Array
}

/** Whether a session is one of those meant; its protocol is not looked at. */
export function isMeant({ ids, listeners, leases }: FilteredColumns, session: number, filter: SessionFilter): boolean {
  if (filter.ids && !filter.ids.has(ids[session] as number)) return false
  if (filter.listeners && !filter.listeners.includes(listeners[session] as number)) return false
  return !filter.leases || filter.leases.includes(leases[session] as number)
}
