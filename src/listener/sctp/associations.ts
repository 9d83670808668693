import type { Clock } from '../../lib/clock.ts'
import type { Random } from '../../lib/random.ts'
import type { RouteEndpoint } from '../../model/delta.ts'
import type { SessionPolicy } from '../listener.ts'
import { Doors } from './doors.ts'
import { EndpointBook } from './endpoint-book.ts'
import type { SctpColumns } from './flow-columns.ts'
import { FlowTable } from './flow-table.ts'
import { HalfOpen } from './half-open.ts'
import { OwnPackets, type PacketOutput } from './own-packets.ts'
import type { WireWords } from './packet.ts'
import { type Deadlines, SctpSessions } from './sctp-sessions.ts'
import { SourcePorts } from './source-ports.ts'
import { createTally } from './tally.ts'
import { Translator } from './translator.ts'

/** Flows that a process has room for. */
export const MOST_FLOWS = 65_536
/** Associations that are not set up yet: all of them, and those of one source. */
export const MOST_HALF_OPEN = 8_192
export const MOST_HALF_OPEN_OF_SOURCE = 1_024

/** What associations need of the world. */
export interface AssociationParts {
  readonly policy: () => SessionPolicy
  readonly clock: Pick<Clock, 'now'>
  readonly random: Random
  readonly columns: SctpColumns
  readonly deadlines: Deadlines
  readonly output: PacketOutput
  readonly sourceFor: (endpoint: RouteEndpoint, into: WireWords) => boolean
  readonly nextId: () => number
  readonly onCount: () => void
}

/** Puts together everything about associations that is no I/O: packets go in at `translator.receive` and come out at `output`. */
export function createAssociations({ columns, random, output, clock, ...parts }: AssociationParts) {
  const table = new FlowTable(columns, random.below(2 ** 32))
  const halfOpen = new HalfOpen(table.capacity, MOST_HALF_OPEN, MOST_HALF_OPEN_OF_SOURCE, random.below(2 ** 32))
  const ports = new SourcePorts(table, random.below(2 ** 32))
  const book = new EndpointBook()
  const doors = new Doors()
  const own = new OwnPackets(output)
  const tally = createTally()
  const sessions = new SctpSessions({ ...parts, clock, table, halfOpen, ports, book, own, tally })
  const translator = new Translator({ clock, table, doors, book, sessions, own, output, tally })
  return { table, halfOpen, book, doors, sessions, translator, tally }
}
