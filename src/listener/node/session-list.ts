import type { RunningSession, SessionListing } from '../listener.ts'
import type { SessionMatcher } from '../session-matcher.ts'
import type { TcpListener } from './tcp-listener.ts'
import { TcpSession } from './tcp-session.ts'
import type { UdpListener } from './udp-listener.ts'
import type { UdpSession } from './udp-session.ts'

/** Sessions looked at before this thread, which serves them all, does something else: less than a millisecond. */
const SESSIONS_A_TURN = 2_048

/** Tells of the running sessions of some listeners. */
export async function listSessions(
  listeners: readonly (TcpListener | UdpListener)[],
  matcher: SessionMatcher,
  most: number,
): Promise<SessionListing> {
  const sessions: RunningSession[] = []
  let matched = 0
  let looked = 0
  for (const { spec, running } of listeners) {
    if (!matcher.wants(spec.protocol)) continue
    // What begins and ends between two turns would change the list under our hands.
    for (const session of [...running]) {
      if (++looked % SESSIONS_A_TURN === 0) await new Promise<void>((resolve) => setImmediate(resolve))
      if (hasEnded(session) || !matcher.takes(session, session.lastMs)) continue
      matched++
      if (sessions.length < most) sessions.push(asRunning(session, spec.protocol))
    }
  }
  return { sessions, matched }
}

function hasEnded(session: TcpSession | UdpSession): boolean {
  return session.endedMs > 0
}

function asRunning(session: TcpSession | UdpSession, protocol: RunningSession['protocol']): RunningSession {
  const closing = session instanceof TcpSession && session.reason !== undefined
  return {
    id: session.id,
    worker: 0,
    protocol,
    state: session.connectMs < 0 ? 'connecting' : closing ? 'closing' : 'open',
    listener: session.listener,
    client: { ...session.client },
    lease: session.lease,
    attempts: session.attempts,
    startedMs: session.startedMs,
    lastMs: session.lastMs,
    connectMs: session.connectMs,
    bytesFromClient: session.bytesFromClient,
    bytesFromEndpoint: session.bytesFromEndpoint,
    datagramsFromClient: session.datagramsFromClient,
    datagramsFromEndpoint: session.datagramsFromEndpoint,
  }
}
