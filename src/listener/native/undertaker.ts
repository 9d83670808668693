import type { Calls } from '../../lib/libc/calls.ts'
import { SO_LINGER, SOL_SOCKET } from '../../lib/libc/constants.ts'
import { LINGER_BYTES } from '../../lib/libc/option-values.ts'
import type { SessionEnd } from '../../model/session.ts'
import type { SessionPolicy } from '../listener.ts'
import { readSctpFacts } from '../sctp/flow-columns.ts'
import { MutableFacts } from '../session-facts.ts'
import { ADOPTED_WORD, type Estate, notedArenas } from './estate.ts'
import type { SessionSnapshot } from './session-snapshot.ts'
import { readTcpFacts } from './tcp-table.ts'
import { readUdpFacts } from './udp-table.ts'

/** The listeners of sessions that a dead worker left. */
export function listenersLeft({ tcp, udp, sctp }: Estate): Set<number> {
  const listeners = new Set<number>()
  for (const { ids, listeners: of } of [tcp, udp, sctp]) {
    ids.forEach((id, session) => {
      if (id !== 0) listeners.add(of[session] as number)
    })
  }
  return listeners
}

/** Closes and frees what a dead worker held. Its TCP sessions are reset: cut short, they must not look whole. `reset` is the
 *  address of a linger value that does that. */
export function clearEstate(estate: Estate, calls: Calls, reset: number): void {
  const { ids, fds } = estate.tcp
  ids.forEach((id, session) => {
    // Without a number it is a session on its way here, and not the worker's.
    if (id === 0) return
    for (const fd of [fds[2 * session], fds[2 * session + 1]]) if (fd) closeReset(calls, fd - 1, reset)
  })
  for (const fds of [estate.udp.fds, estate.descriptors]) for (const fd of fds) if (fd !== 0) calls.close(fd - 1)
  for (const { address, bytes } of notedArenas(estate)) calls.munmap(address, bytes)
}

/** Those of the sessions that were sent to a worker which it had not taken over when it died: it took them in order. */
export function notTaken({ tcp, control }: Estate, sent: readonly SessionSnapshot[]): readonly SessionSnapshot[] {
  const left = sent.slice(control[ADOPTED_WORD])
  // It may have died between writing a session down and counting it.
  return left[0] && tcp.ids.includes(left[0].id) ? left.slice(1) : left
}

/** Closes the sockets of sessions that nobody looks after any more. */
export function closeSessions(sessions: readonly SessionSnapshot[], calls: Calls, reset: number): void {
  for (const { client, endpoint } of sessions) {
    for (const { fd } of [client, endpoint]) if (fd !== undefined) closeReset(calls, fd, reset)
  }
}

function closeReset(calls: Calls, fd: number, reset: number): void {
  calls.setsockopt(fd, SOL_SOCKET, SO_LINGER, reset, LINGER_BYTES)
  calls.close(fd)
}

/** Counts and records the sessions that a worker left: those in its estate, and those that were on their way to it. */
export function countLeft(
  { tcp, udp, sctp }: Estate,
  arriving: readonly SessionSnapshot[],
  policy: SessionPolicy,
  end: SessionEnd,
  nowMs: number,
): void {
  const facts = new MutableFacts()
  const ended = () => {
    facts.end = end
    facts.endedMs = nowMs
    policy.ended(facts)
  }
  for (const session of arriving) {
    policy.adopted(session.listener, session.serviceSlot)
    facts.client = session.client.address
    facts.id = session.id
    facts.listener = session.listener
    facts.lease = session.lease
    facts.ticket = session.ticket
    facts.attempts = session.attempts
    facts.startedMs = session.startedMs
    facts.connectMs = session.connectMs
    facts.bytesFromClient = session.client.bytes
    facts.bytesFromEndpoint = session.endpoint.bytes
    ended()
  }
  tcp.ids.forEach((id, session) => {
    if (id === 0) return
    readTcpFacts(tcp, session, facts)
    ended()
  })
  udp.ids.forEach((id, session) => {
    if (id === 0) return
    readUdpFacts(udp, session, facts)
    ended()
  })
  sctp.ids.forEach((id, session) => {
    if (id === 0) return
    readSctpFacts(sctp, session, facts)
    ended()
  })
}
