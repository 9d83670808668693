import type { IncomingMessage } from 'node:http'
import type { TLSSocket } from 'node:tls'
import type { Clock } from '../../lib/clock.ts'
import { ProxyError } from '../../lib/errors.ts'
import { isLoopback } from '../../model/address.ts'
import type { AdminAccess } from '../../model/admin-address.ts'
import type { Ip } from '../../model/keys.ts'
import type { Logger } from '../../observe/logger.ts'
import type { HttpPlace } from '../http-listener.ts'
import { type Caller, judge, type Knock } from './guard.ts'
import { ReloadedFiles } from './reloaded-files.ts'
import type { Status } from './status.ts'
import { type AdminTls, openAdminTls } from './tls.ts'
import { callerOfToken, parseTokens, type Tokens } from './tokens.ts'

/** Who is let in where. */
export interface Access {
  /** What an address on a network is served with. */
  readonly tls: AdminTls | undefined
  judge(place: HttpPlace, request: IncomingMessage): Caller | Status
}

/** Reads what is needed for these places.
 *  @throws ProxyError E_ADMIN when a file cannot be used, or when one that a place needs is not given. */
export async function openAccess(
  places: readonly HttpPlace[],
  given: AdminAccess,
  { clock, logger }: { readonly clock: Clock; readonly logger: Logger },
): Promise<Access> {
  const outside = places.find((place) => distanceOf(place) === 'network')
  if (!outside) return makeAccess(undefined, undefined, given.readOnly)
  const { tlsCert, tlsKey, clientCa, tokenFile } = given
  if (tlsCert === undefined || tlsKey === undefined) {
    throw missing(outside, 'it can be reached from a network, which needs --admin-tls-cert and --admin-tls-key')
  }
  if (tokenFile === undefined && clientCa === undefined) {
    throw missing(outside, 'it can be reached from a network, so say who may: --admin-token-file or --admin-client-ca')
  }
  const failing = (key: string) => (reason: string) =>
    logger.warn('admin.failed', `cannot be used, what it said before stays: ${reason}`, { key })
  const tls = await openAdminTls({
    certPath: tlsCert,
    keyPath: tlsKey,
    clientCaPath: clientCa,
    clock,
    onFailure: failing(tlsCert),
  })
  const parse = ([text]: readonly Buffer[]) => parseTokens(String(text))
  const tokens =
    tokenFile === undefined
      ? undefined
      : new ReloadedFiles<Tokens>({ paths: [tokenFile], parse, clock, onFailure: failing(tokenFile) })
  return makeAccess(tls, tokens, given.readOnly)
}

function makeAccess(tls: AdminTls | undefined, tokens: ReloadedFiles<Tokens> | undefined, readOnly: boolean): Access {
  const rules = {
    readOnly,
    callerOfToken: (token: string) => tokens && callerOfToken(tokens.value, token),
    isOurName: (name: string) => tls?.isOurName(name) ?? false,
  }
  return {
    tls,
    judge(place, { headers, method = '', socket }) {
      const from = distanceOf(place)
      const certificateName = from === 'network' ? tls?.certificateName(socket as TLSSocket) : undefined
      return judge({ from, method, headers, certificateName }, rules)
    },
  }
}

/** How far away the clients of a place may be. */
export function distanceOf(place: HttpPlace): Knock['from'] {
  if ('path' in place) return 'socket'
  return isLoopback(place.host as Ip) ? 'loopback' : 'network'
}

function missing(place: HttpPlace, reason: string): ProxyError {
  const host = 'host' in place ? place.host : place.path
  return new ProxyError('E_ADMIN', 'config', `--admin ${host}: ${reason}`)
}
