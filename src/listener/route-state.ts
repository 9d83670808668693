import type { PublishedRoute } from '../model/delta.ts'
import type { ClientAddress } from '../model/session.ts'
import { Admission, ClientRanges } from './admission.ts'
import type { Choices, ChoicesMaker } from './choices.ts'
import type { Decision } from './listener.ts'

/** A route, ready to be asked. */
export class RouteState {
  readonly route: PublishedRoute
  readonly admission: Admission
  /** Clients that have to send a PROXY header, all others being denied; undefined: nobody has to. */
  readonly introducers: ClientRanges | undefined
  readonly hear: Decision
  readonly #forOthers: Choices
  readonly #forLocals: Choices | undefined
  readonly #locals: ClientRanges | undefined

  /** `locals`: who is on this node, where the route tells them apart. */
  constructor(route: PublishedRoute, maker: ChoicesMaker, locals: ClientRanges | undefined) {
    this.route = route
    this.admission = new Admission(route.sourceRanges)
    this.introducers = route.acceptProxy && new ClientRanges(route.acceptProxy.from)
    this.hear = { do: 'hear', withinMs: route.acceptProxy?.withinMs ?? 0 }
    this.#forOthers = maker.make(route, route)
    this.#forLocals = route.forLocalClients && maker.make(route, route.forLocalClients)
    this.#locals = locals
  }

  /** What this client may be given. */
  choicesFor(client: ClientAddress): Choices {
    return this.#forLocals && this.#locals?.contains(client) ? this.#forLocals : this.#forOthers
  }
}
