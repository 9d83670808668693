import type { Arena } from '../../lib/libc/arena.ts'
import { createSctpColumns, type SctpColumns } from '../sctp/flow-columns.ts'
import { createTcpColumns, type TcpColumns } from './tcp-table.ts'
import { createUdpColumns, type UdpColumns } from './udp-table.ts'

/** Words of {@link Estate.control}. Not 0: stop. */
export const STOP_WORD = 0
/** Sessions that run now. The worker adds those that begin and end, main those that it moves: at one instant, for both. */
export const SESSIONS_WORD = 1
/** Descriptors that sessions may hold; main changes it when listeners come and go. */
export const BUDGET_WORD = 2
/** Not 0: messages were sent. Set before the eventfd is written, so that what main asked for comes before what happened on
 *  any socket afterwards. */
export const MESSAGE_WORD = 3
/** How many of the sessions that main sent last the worker has taken over. */
export const ADOPTED_WORD = 4
/** Not 0: the worker has everything it needs, and looks at the stop word. */
export const LOOPING_WORD = 5
const CONTROL_WORDS = 6

/** Where the epoll instance stands among {@link Estate.descriptors}; pipes follow, two cells each. */
export const EPOLL_CELL = 0
export const FIRST_PIPE_CELL = 1
const MOST_ARENAS = 4
/** Cells of an arena: where it is and how long. */
const ARENA_CELLS = 2

/** How much a worker may hold. */
export interface EstateSizes {
  readonly tcpSessions: number
  readonly udpSessions: number
  readonly sctpSessions: number
  readonly pipes: number
}

/** Everything a worker holds, in memory it shares with main, which closes, frees and counts it when the worker died. Plain
 *  data. A descriptor stands in it plus one, so that 0 means none. */
export interface Estate {
  readonly control: Int32Array<SharedArrayBuffer>
  readonly descriptors: Int32Array<SharedArrayBuffer>
  readonly arenas: Float64Array<SharedArrayBuffer>
  readonly tcp: TcpColumns
  readonly udp: UdpColumns
  readonly sctp: SctpColumns
}

/** Reserves one. Pages cost nothing until they are first written. */
export function createEstate({ tcpSessions, udpSessions, sctpSessions, pipes }: EstateSizes): Estate {
  return {
    control: new Int32Array(new SharedArrayBuffer(4 * CONTROL_WORDS)),
    descriptors: new Int32Array(new SharedArrayBuffer(4 * (FIRST_PIPE_CELL + 2 * pipes))),
    arenas: new Float64Array(new SharedArrayBuffer(8 * MOST_ARENAS * ARENA_CELLS)),
    tcp: createTcpColumns(tcpSessions),
    udp: createUdpColumns(udpSessions),
    sctp: createSctpColumns(sctpSessions),
  }
}

/** Notes an arena, which nobody unmaps when its thread dies. */
export function noteArena({ arenas }: Estate, { address, bytes }: Arena): void {
  const cell = arenas.indexOf(0)
  arenas[cell] = address
  arenas[cell + 1] = bytes
}

/** Before it is unmapped by its own thread. */
export function forgetArena({ arenas }: Estate, { address }: Arena): void {
  const cell = arenas.indexOf(address)
  if (cell < 0) return
  arenas[cell] = 0
  arenas[cell + 1] = 0
}

/** The arenas noted and not forgotten. */
export function* notedArenas({ arenas }: Estate): Iterable<{ readonly address: number; readonly bytes: number }> {
  for (let cell = 0; cell < arenas.length; cell += ARENA_CELLS) {
    if (arenas[cell] !== 0) yield { address: arenas[cell] as number, bytes: arenas[cell + 1] as number }
  }
}
