import type { Clock } from '../lib/clock.ts'
import type { RouteDelta } from '../model/delta.ts'
import { type ClientAddress, type SessionFacts, sessionEndNumber, type Tried } from '../model/session.ts'
import { StepWriter } from '../observe/step-ring.ts'
import { ClientRanges } from './admission.ts'
import type { Decision, SessionPolicy, SessionTimeouts, TraceOrder, WaitingSessions } from './listener.ts'

/** A policy that writes down what it is asked and what it answers, of the sessions that are followed. It stands in the place
 *  of the other one only as long as somebody follows, and so costs nothing otherwise. */
export class TracedPolicy implements SessionPolicy {
  readonly #policy: SessionPolicy
  readonly #clock: Pick<Clock, 'now'>
  readonly #steps: StepWriter
  readonly #filters: readonly { readonly listeners: ReadonlySet<number>; readonly clients: ClientRanges | undefined }[]

  constructor(policy: SessionPolicy, clock: Pick<Clock, 'now'>, { filters, rings }: TraceOrder, row: number) {
    this.#policy = policy
    this.#clock = clock
    this.#steps = new StepWriter(rings[row] as SharedArrayBuffer)
    this.#filters = filters.map(({ listeners, clients }) => ({
      listeners: new Set(listeners),
      clients: clients.length > 0 ? new ClientRanges(clients) : undefined,
    }))
  }

  decide(listener: number, client: ClientAddress, tried: readonly Tried[]): Decision {
    const decision = this.#policy.decide(listener, client, tried)
    if (this.#follows(listener, client)) {
      if (tried.length === 0) this.#steps.write('began', this.#clock.now(), listener, client, -1, 0)
      this.#decided(listener, client, decision, tried.length + 1)
    }
    return decision
  }

  introduced(listener: number, client: ClientAddress): Decision {
    const decision = this.#policy.introduced(listener, client)
    if (this.#follows(listener, client)) {
      this.#steps.write('introduced', this.#clock.now(), listener, client, -1, 0)
      this.#decided(listener, client, decision, 1)
    }
    return decision
  }

  delayed(listener: number, client: ClientAddress): Decision {
    const decision = this.#policy.delayed(listener, client)
    if (this.#follows(listener, client)) this.#decided(listener, client, decision, 1)
    return decision
  }

  takeTicket(): number {
    return this.#policy.takeTicket()
  }

  decideAgain(waiter: number, listener: number, client: ClientAddress, tried: readonly Tried[]): Decision {
    const decision = this.#policy.decideAgain(waiter, listener, client, tried)
    // That it waits is known.
    if (decision.do !== 'wait' && this.#follows(listener, client)) this.#decided(listener, client, decision, tried.length + 1)
    return decision
  }

  get waiting(): WaitingSessions {
    return this.#policy.waiting
  }

  connectFailed(listener: number, client: ClientAddress, tried: Tried): void {
    this.#policy.connectFailed(listener, client, tried)
    if (!this.#follows(listener, client)) return
    this.#steps.write('failed', this.#clock.now(), listener, client, tried.lease, tried.end === 'connect-timeout' ? 1 : 0)
  }

  connected(lease: number): void {
    this.#policy.connected(lease)
  }

  ended(session: SessionFacts): void {
    const { listener, client, lease, endedMs, end } = session
    if (this.#follows(listener, client)) {
      this.#steps.write('ended', endedMs, listener, client, lease, sessionEndNumber(end), session)
    }
    this.#policy.ended(session)
  }

  refused(session: SessionFacts): void {
    const { listener, client, lease, endedMs, end } = session
    if (this.#follows(listener, client)) {
      this.#steps.write('began', session.startedMs, listener, client, -1, 0)
      this.#steps.write('ended', endedMs, listener, client, lease, sessionEndNumber(end), session)
    }
    this.#policy.refused(session)
  }

  apply(delta: RouteDelta): readonly number[] {
    return this.#policy.apply(delta)
  }

  released(listener: number): number {
    return this.#policy.released(listener)
  }

  adopted(listener: number, serviceSlot: number): void {
    this.#policy.adopted(listener, serviceSlot)
  }

  serves(listener: number, lease: number, client: ClientAddress): boolean {
    return this.#policy.serves(listener, lease, client)
  }

  timeouts(listener: number): SessionTimeouts | undefined {
    return this.#policy.timeouts(listener)
  }

  #decided(listener: number, client: ClientAddress, decision: Decision, attempt: number): void {
    // A refusal ends the session, which is told then.
    if (decision.do === 'forward') this.#steps.write('chosen', this.#clock.now(), listener, client, decision.lease, attempt)
    else if (decision.do === 'wait') this.#steps.write('waiting', this.#clock.now(), listener, client, -1, 0)
    else if (decision.do === 'hear') this.#steps.write('hearing', this.#clock.now(), listener, client, -1, 0)
  }

  #follows(listener: number, client: ClientAddress): boolean {
    return this.#filters.some(({ listeners, clients }) => listeners.has(listener) && (!clients || clients.contains(client)))
  }
}
