import { fillClientAddress } from '../../src/model/address.ts'
import type { ClientAddress } from '../../src/model/session.ts'

const SIGNATURE = '0d0a0d0a000d0a515549540a'

/** `192.0.2.1` or `2001:db8::1`, and a port, as four words. */
export function address(ip: string, port: number): ClientAddress {
  const words = { word0: 0, word1: 0, word2: 0, word3: 0, port: 0 }
  fillClientAddress(ip, port, words)
  return words
}

/** A version 2 header, put together from bytes in hexadecimal: command (20 LOCAL, 21 PROXY), family, and what follows. */
export function blockOf(command: string, family: string, rest: string): Buffer {
  const bytes = Buffer.from(rest.replaceAll(' ', ''), 'hex')
  const length = bytes.length.toString(16).padStart(4, '0')
  return Buffer.concat([Buffer.from(SIGNATURE + command + family + length, 'hex'), bytes])
}

/** A version 2 header for TCP over IPv4 between two addresses, with values behind them. */
export function blockFor(source: string, sourcePort: number, destination: string, port: number, tlvs = ''): Buffer {
  const ips = [source, destination].map((ip) => Buffer.from(ip.split('.').map(Number)).toString('hex')).join('')
  const ports = [sourcePort, port].map((each) => each.toString(16).padStart(4, '0')).join('')
  return blockOf('21', '11', ips + ports + tlvs)
}

/** A value of a version 2 header, in hexadecimal. */
export function tlvOf(type: number, value: string | Buffer): string {
  const bytes = Buffer.from(value)
  return `${type.toString(16).padStart(2, '0')}${bytes.length.toString(16).padStart(4, '0')}${bytes.toString('hex')}`
}
