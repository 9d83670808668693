import type { SessionFilter } from './listener.ts'

/** Where it stands which listener and lease a session has. */
export interface FilteredColumns {
  readonly listeners: Int32Array
  readonly leases: Int32Array
}

/** Whether a session is one of those meant; its protocol is not looked at. */
export function isMeant({ listeners, leases }: FilteredColumns, session: number, filter: SessionFilter): boolean {
  if (filter.listeners && !filter.listeners.includes(listeners[session] as number)) return false
  return !filter.leases || filter.leases.includes(leases[session] as number)
}
