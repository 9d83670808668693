import type { SessionPage, SessionView } from '../../model/session-view.ts'
import { showSize, showSpan } from './numbers.ts'
import { type Column, showTable } from './table.ts'

const COLUMNS: readonly Column<SessionView>[] = [
  { title: 'ID', of: ({ id }) => String(id) },
  { title: 'SERVICE', of: ({ service }) => service, least: 12 },
  { title: 'CLIENT', of: ({ client }) => client, least: 15 },
  { title: 'ENDPOINT', of: ({ endpoint, state }) => endpoint ?? state, least: 14 },
  { title: 'AGE', of: ({ ageMs }) => showSpan(ageMs), align: 'right' },
  { title: 'IDLE', of: ({ idleMs }) => showSpan(idleMs), align: 'right' },
  { title: 'IN', of: ({ bytesFromClient }) => showSize(bytesFromClient), align: 'right' },
  { title: 'OUT', of: ({ bytesFromEndpoint }) => showSize(bytesFromEndpoint), align: 'right' },
]

/** A line a session. */
export function showSessions({ sessions, matched }: SessionPage, width: number): string {
  if (sessions.length === 0) return 'no sessions'
  const more = matched - sessions.length
  return [
    ...showTable(COLUMNS, sessions, width),
    ...(more > 0 ? [`… ${more} more of ${matched}: give a filter, or a --limit`] : []),
  ].join('\n')
}
