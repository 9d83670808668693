import { openArena } from '../../src/lib/libc/arena.ts'
import { AF_INET, IPPROTO_SCTP } from '../../src/lib/libc/constants.ts'
import type { Libc } from '../../src/lib/libc/load.ts'
import { openRawSocket } from '../../src/lib/libc/raw-socket.ts'
import { openSockets } from '../../src/lib/libc/sockets.ts'
import { wireOf } from '../../src/listener/sctp/doors.ts'
import { Packet, readU16 } from '../../src/listener/sctp/packet.ts'
import { RAW_PACKETS_BYTES, RawPackets } from '../../src/listener/sctp/raw-packets.ts'
import { sameWire } from '../../src/listener/sctp/wire-address.ts'
import type { Ip, Port } from '../../src/model/keys.ts'
import { eventually } from './eventually.ts'
import { libc } from './native-engine.ts'
import { showPacket } from './sctp-packets.ts'

interface Arrived {
  readonly from: Int32Array
  readonly to: Int32Array
  readonly bytes: Uint8Array
}

/** Addresses of this machine that speak SCTP by hand, IPv4. */
export class SctpWire implements Disposable {
  readonly #libc = libc as Libc
  readonly #arena = openArena(this.#libc, RAW_PACKETS_BYTES)
  readonly #sockets = openSockets(this.#libc)
  readonly #fd: number
  readonly #packets: RawPackets
  readonly #arrived: Arrived[] = []

  constructor() {
    const opened = openRawSocket(this.#libc, this.#sockets.options, AF_INET, IPPROTO_SCTP, 1 << 20)
    if (opened.failed) throw new Error(`${opened.failed.call}: ${opened.failed.errno}`)
    this.#fd = opened.value
    this.#packets = new RawPackets(this.#libc, this.#arena, ({ bytes, start, end, addresses }) => {
      this.#arrived.push({ from: addresses.slice(0, 4), to: addresses.slice(4, 8), bytes: bytes.slice(start, end) })
    })
    this.#packets.attach(this.#fd, -1)
  }

  send(from: string, to: string, bytes: Uint8Array): void {
    const packet = new Packet(bytes)
    packet.end = bytes.length
    packet.addresses.set(wireOf({ ip: from as Ip, port: 1 as Port }), 0)
    packet.addresses.set(wireOf({ ip: to as Ip, port: 1 as Port }), 4)
    this.#packets.send(packet)
    this.#packets.flush()
  }

  /** Waits for a packet to an address and port, whatever came before it; tells where it came from, and what it is. */
  next(to: string, port: number): Promise<{ readonly fromPort: number; readonly from: Int32Array; readonly text: string }> {
    const words = wireOf({ ip: to as Ip, port: 1 as Port })
    return eventually(() => {
      this.#packets.receive(this.#fd)
      const at = this.#arrived.findIndex((one) => sameWire(one.to, 0, words, 0) && readU16(one.bytes, 2) === port)
      const [found] = at < 0 ? [] : this.#arrived.splice(0, at + 1).slice(-1)
      if (!found) throw new Error(`nothing came to ${to}:${port}`)
      return { from: found.from, fromPort: readU16(found.bytes, 0), text: showPacket(found.bytes) }
    })
  }

  [Symbol.dispose](): void {
    this.#libc.calls.close(this.#fd)
    this.#sockets[Symbol.dispose]()
    this.#arena[Symbol.dispose]()
  }
}
