import type { FlowTable } from './flow-table.ts'
import type { WireWords } from './packet.ts'

/** The ports that endpoints see: each endpoint may see every one of them once. */
export const FIRST_SOURCE_PORT = 32_768
const SOURCE_PORTS = 65_536 - FIRST_SOURCE_PORT
/** An endpoint that has so many in a row taken has no more. */
const MOST_LOOKS = 4096

/** Hands out ports in a circle, so that the one used longest ago comes next. One whose flow is over is not used again until the
 *  flow is gone: the endpoint must not take the new association for the old one. */
export class SourcePorts {
  readonly #table: FlowTable
  #next: number

  /** Begins anywhere, so that a program that begins anew does not take the ports of the one before it. */
  constructor(table: FlowTable, begin: number) {
    this.#table = table
    this.#next = begin % SOURCE_PORTS
  }

  /** A port that is free towards an endpoint, or 0. */
  take(endpoint: WireWords, endpointPort: number): number {
    for (let n = 0; n < MOST_LOOKS; n++) {
      const port = FIRST_SOURCE_PORT + this.#next
      this.#next = (this.#next + 1) % SOURCE_PORTS
      if (this.#table.isPortFree(endpoint, endpointPort, port)) return port
    }
    return 0
  }
}
