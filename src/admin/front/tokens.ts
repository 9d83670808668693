import { hash, timingSafeEqual } from 'node:crypto'
import { ProxyError } from '../../lib/errors.ts'
import type { Caller } from './guard.ts'

/** Tokens that let somebody in, as digests: they are not in memory themselves. */
export type Tokens = readonly { readonly digest: Buffer; readonly caller: Caller }[]

const LEAST_CHARACTERS = 16
const MOST_TOKENS = 1000

/** Reads a file of tokens: a line each, `TOKEN,NAME` or `TOKEN,NAME,read-only`; empty lines and those that begin with `#` are
 *  passed over.
 *  @throws ProxyError E_ADMIN when a line is wrong; it names the line, never what stands there. */
export function parseTokens(text: string): Tokens {
  const tokens = text.split('\n').flatMap((line, index) => {
    const words = line.trim()
    if (words === '' || words.startsWith('#')) return []
    const [token = '', name = '', right, ...rest] = words.split(',').map((word) => word.trim())
    if (token.length < LEAST_CHARACTERS) throw wrong(index, `a token needs ${LEAST_CHARACTERS} characters at least`)
    if (!/^[\w.:@-]{1,64}$/.test(name)) throw wrong(index, 'write TOKEN,NAME with a name of letters, digits and . _ - : @')
    if ((right !== undefined && right !== 'read-only') || rest.length > 0) {
      throw wrong(index, 'after the name there may be read-only and nothing else')
    }
    return [{ digest: digestOf(token), caller: { name, mayWrite: right === undefined } }]
  })
  if (tokens.length === 0) throw new ProxyError('E_ADMIN', 'config', 'there is no token in it: write a line TOKEN,NAME')
  if (tokens.length > MOST_TOKENS)
    throw new ProxyError('E_ADMIN', 'config', `it has more than ${MOST_TOKENS} tokens: take out what nobody uses`)
  return tokens
}

/** Whose token this is. Every token is compared, in the same time whatever is in it. */
export function callerOfToken(tokens: Tokens, token: string): Caller | undefined {
  const digest = digestOf(token)
  let found: Caller | undefined
  for (const known of tokens) if (timingSafeEqual(known.digest, digest)) found = known.caller
  return found
}

function digestOf(token: string): Buffer {
  return hash('sha256', token, 'buffer')
}

function wrong(index: number, reason: string): ProxyError {
  return new ProxyError('E_ADMIN', 'config', `line ${index + 1}: ${reason}`)
}
