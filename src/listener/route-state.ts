import type { PublishedRoute } from '../model/delta.ts'
import type { ClientAddress } from '../model/session.ts'
import { Admission, ClientRanges } from './admission.ts'
import type { Choices, ChoicesMaker } from './choices.ts'
import { LimitState } from './limiter.ts'
import type { Decision, SessionTimeouts } from './listener.ts'

/** A route, ready to be asked. What is built from its lists is built with the first client: most of many Services are quiet. */
export class RouteState {
  readonly route: PublishedRoute
  readonly admission: Admission
  /** What clients are held to beyond that; undefined: nothing. */
  readonly limits: LimitState | undefined
  /** Clients that have to send a PROXY header, all others being denied; undefined: nobody has to. */
  readonly introducers: ClientRanges | undefined
  readonly hear: Decision
  readonly #maker: ChoicesMaker
  #forOthers: Choices | undefined
  #forLocals: Choices | undefined
  readonly #locals: ClientRanges | undefined

  /** `locals`: who is on this node, where the route tells them apart. */
  constructor(route: PublishedRoute, maker: ChoicesMaker, locals: ClientRanges | undefined) {
    this.route = route
    this.admission = new Admission(route.sourceRanges)
    this.limits = route.clientRules && new LimitState(route, route.clientRules)
    this.introducers = route.acceptProxy && new ClientRanges(route.acceptProxy.from)
    this.hear = { do: 'hear', withinMs: route.acceptProxy?.withinMs ?? 0 }
    this.#maker = maker
    this.#locals = locals
  }

  /** What this client may be given. */
  choicesFor(client: ClientAddress): Choices {
    const { forLocalClients } = this.route
    if (forLocalClients && this.#locals?.contains(client)) {
      this.#forLocals ??= this.#maker.make(this.route, forLocalClients)
      return this.#forLocals
    }
    this.#forOthers ??= this.#maker.make(this.route, this.route)
    return this.#forOthers
  }
}

/** Whether sessions may be due sooner than before. */
export function isShorter(now: SessionTimeouts, before: SessionTimeouts): boolean {
  if (now.idleMs < before.idleMs || now.halfCloseMs < before.halfCloseMs || now.udpIdleMs < before.udpIdleMs) return true
  return now.maxSessionMs !== undefined && now.maxSessionMs < (before.maxSessionMs ?? Number.POSITIVE_INFINITY)
}
