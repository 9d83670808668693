import { CUSTOM_TLV_FACTS, type CustomTlv, FIRST_CUSTOM_TLV, LAST_CUSTOM_TLV, type SendProxy } from './proxy-header.ts'

const CUSTOM = /^0x([0-9a-f]{2})=([ -~]{1,128})$/i
const FACT = /\{([^{}]*)\}/g

/** What `portald.io/send-proxy` says: `v1`, or `v2` and what else goes into the header. */
export function parseSendProxy(text: string): SendProxy | undefined {
  const [version = '', ...words] = text.split(',').map((word) => word.trim())
  if (version !== 'v2') return version === 'v1' && words.length === 0 ? { ...NOTHING_ELSE, version: 1 } : undefined
  let wanted: SendProxy = { ...NOTHING_ELSE, version: 2 }
  for (const word of words) {
    const more = readWord(word, wanted.customTlvs)
    if (!more) return undefined
    wanted = { ...wanted, ...more }
  }
  return wanted
}

const NOTHING_ELSE = { uniqueId: false, crc32c: false, receivedTlvs: false, customTlvs: [] } as const

function readWord(word: string, known: readonly CustomTlv[]): Partial<SendProxy> | undefined {
  if (word === 'unique-id') return { uniqueId: true }
  if (word === 'crc32c') return { crc32c: true }
  if (word === 'received-tlvs') return { receivedTlvs: true }
  const [, hex = '', text = ''] = CUSTOM.exec(word) ?? []
  const type = Number.parseInt(hex, 16)
  if (!(type >= FIRST_CUSTOM_TLV && type <= LAST_CUSTOM_TLV) || known.some((tlv) => tlv.type === type)) return undefined
  return factsAreKnown(text) ? { customTlvs: [...known, { type, text }] } : undefined
}

/** Each fact at most once, so that values stay short. */
function factsAreKnown(text: string): boolean {
  const facts = [...text.matchAll(FACT)].map(([, fact]) => fact as string)
  return new Set(facts).size === facts.length && facts.every((fact) => (CUSTOM_TLV_FACTS as readonly string[]).includes(fact))
}
