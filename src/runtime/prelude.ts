import { TLV_HEAD_BYTES } from '../listener/proxy-header.ts'
import { showAddress } from '../model/keys.ts'
import { CUSTOM_TLV_FACTS, type Prelude, type SendProxy } from '../model/proxy-header.ts'
import type { Route } from '../model/snapshot.ts'

/** What endpoints of a route are sent ahead of everything else. `instance` tells the sessions of this process from those of
 *  others. */
export function preludeOf(sendProxy: SendProxy, route: Pick<Route, 'address' | 'port'>, instance: string): Prelude {
  const facts: { readonly [Fact in (typeof CUSTOM_TLV_FACTS)[number]]: string } = {
    service: route.port.key,
    listener: showAddress(route.address),
  }
  const values = sendProxy.customTlvs.map(({ type, text }) => {
    const value = CUSTOM_TLV_FACTS.reduce((filled, fact) => filled.replace(`{${fact}}`, facts[fact]), text)
    return encodeTlv(type, Buffer.from(value, 'latin1'))
  })
  return {
    version: sendProxy.version,
    uniqueIdPrefix: sendProxy.uniqueId ? `${instance}-` : undefined,
    crc32c: sendProxy.crc32c,
    receivedTlvs: sendProxy.receivedTlvs,
    customTlvs: Uint8Array.from(values.flatMap((value) => [...value])),
  }
}

function encodeTlv(type: number, value: Buffer): Buffer {
  const tlv = Buffer.alloc(TLV_HEAD_BYTES + value.length)
  tlv[0] = type
  tlv.writeUInt16BE(value.length, 1)
  value.copy(tlv, TLV_HEAD_BYTES)
  return tlv
}
