import type { Calls } from '../../lib/libc/calls.ts'
import { SO_LINGER, SOL_SOCKET } from '../../lib/libc/constants.ts'
import { LINGER_BYTES } from '../../lib/libc/option-values.ts'
import type { SessionPolicy } from '../listener.ts'
import { type Estate, notedArenas } from './estate.ts'
import { MutableFacts } from './session-facts.ts'
import { readTcpFacts } from './tcp-table.ts'
import { readUdpFacts } from './udp-table.ts'

/** The listeners of sessions that a dead worker left. */
export function listenersLeft({ tcp, udp }: Estate): Set<number> {
  const listeners = new Set<number>()
  for (const { ids, listeners: of } of [tcp, udp]) {
    ids.forEach((id, session) => {
      if (id !== 0) listeners.add(of[session] as number)
    })
  }
  return listeners
}

/** Closes and frees what a dead worker held. Its TCP sessions are reset: cut short, they must not look whole. `reset` is the
 *  address of a linger value that does that. */
export function clearEstate(estate: Estate, calls: Calls, reset: number): void {
  for (const fd of estate.tcp.fds) {
    if (fd === 0) continue
    calls.setsockopt(fd - 1, SOL_SOCKET, SO_LINGER, reset, LINGER_BYTES)
    calls.close(fd - 1)
  }
  for (const fds of [estate.udp.fds, estate.descriptors]) for (const fd of fds) if (fd !== 0) calls.close(fd - 1)
  for (const { address, bytes } of notedArenas(estate)) calls.munmap(address, bytes)
}

/** Counts and records the sessions that a dead worker left, and gives their leases back. */
export function countLeft({ tcp, udp }: Estate, policy: SessionPolicy, nowMs: number): void {
  const facts = new MutableFacts()
  const ended = () => {
    facts.end = 'internal'
    facts.endedMs = nowMs
    policy.ended(facts)
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
}
