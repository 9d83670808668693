import type { IncomingHttpHeaders } from 'node:http'
import { isLoopback, parseIp } from '../../model/address.ts'
import { failure, type Status } from './status.ts'

/** Who asks. */
export interface Caller {
  /** `local` on loopback and Unix sockets, else the name of the token or of the certificate. */
  readonly name: string
  readonly mayWrite: boolean
}

/** What is known of a request before any of it is used. */
export interface Knock {
  /** How far away clients of this address may be: only those on a network say who they are. */
  readonly from: 'socket' | 'loopback' | 'network'
  readonly method: string
  readonly headers: IncomingHttpHeaders
  /** The name in a client certificate that a trusted authority has signed. */
  readonly certificateName: string | undefined
}

/** What the house says of itself. */
export interface HouseRules {
  readonly readOnly: boolean
  /** Whose token it is. */
  readonly callerOfToken: (token: string) => Caller | undefined
  /** Whether our certificate is for this name. */
  readonly isOurName: (name: string) => boolean
}

const LOCAL: Caller = { name: 'local', mayWrite: true }
const READING = new Set(['GET', 'HEAD', 'OPTIONS'])

/** Lets a request in, with who asks, or says why not. */
export function judge(knock: Knock, rules: HouseRules): Caller | Status {
  const wrong = checkHost(knock, rules) ?? checkPage(knock)
  if (wrong) return wrong
  const caller = knock.from === 'network' ? identify(knock, rules) : LOCAL
  if (!caller) return failure(401, 'a bearer token or a client certificate is needed, and known here')
  if (READING.has(knock.method)) return caller
  if (rules.readOnly) return failure(403, 'this process takes no changes (--admin-read-only)')
  return caller.mayWrite ? caller : failure(403, `${caller.name} may read and change nothing`)
}

/** A web page whose name was made to lead here (DNS rebinding) still asks for that name. */
function checkHost({ from, headers }: Knock, { isOurName }: HouseRules): Status | undefined {
  if (from === 'socket') return undefined
  const name = hostName(headers.host ?? '')
  if (name === undefined) return failure(400, 'the Host header is missing, or is no host')
  const ip = parseIp(name)
  const isOurs =
    from === 'loopback' ? name === 'localhost' || (ip !== undefined && isLoopback(ip)) : ip !== undefined || isOurName(name)
  return isOurs ? undefined : failure(403, 'the Host header names another host than this one')
}

/** Only pages that came from here may ask. Other programs than browsers say nothing of a page. */
function checkPage({ from, headers }: Knock): Status | undefined {
  const { origin, host } = headers
  const site = headers['sec-fetch-site']
  const own = `${from === 'network' ? 'https' : 'http'}://${host}`
  if (origin !== undefined && (from === 'socket' || origin.toLowerCase() !== own.toLowerCase())) {
    return failure(403, 'web pages from elsewhere may not ask')
  }
  const isElsewhere = site !== undefined && site !== 'same-origin' && site !== 'none'
  return isElsewhere ? failure(403, 'web pages from elsewhere may not ask') : undefined
}

function identify({ headers, certificateName }: Knock, { callerOfToken }: HouseRules): Caller | undefined {
  const token = tokenOf(headers.authorization ?? '')
  // Whoever brings a token means it: a wrong one is not made good by a certificate.
  if (headers.authorization !== undefined) return token === undefined ? undefined : callerOfToken(token)
  return certificateName === undefined ? undefined : { name: certificateName, mayWrite: true }
}

/** Programs send it as it is; browsers ask people for a name and a password, and the token is the password. */
function tokenOf(authorization: string): string | undefined {
  const [, scheme = '', given = ''] = /^(bearer|basic) +([^ ]+) *$/i.exec(authorization) ?? []
  if (scheme.toLowerCase() !== 'basic') return given || undefined
  const pair = Buffer.from(given, 'base64').toString()
  return pair.includes(':') ? pair.slice(pair.indexOf(':') + 1) : undefined
}

/** `localhost` of `localhost:10246`, `::1` of `[::1]:10246`. */
function hostName(host: string): string | undefined {
  const [, v6, name] = /^(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]+))(?::\d{1,5})?$/i.exec(host) ?? []
  return (v6 ?? name)?.toLowerCase()
}
