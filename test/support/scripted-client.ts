import type { ManualClock } from '../../src/lib/clock.ts'
import type { Decision, SessionPolicy, Wait } from '../../src/listener/listener.ts'
import { fillClientAddress } from '../../src/model/address.ts'
import type { RouteEndpoint } from '../../src/model/delta.ts'
import type { Prelude } from '../../src/model/proxy-header.ts'
import { type ClientAddress, NO_TICKET, type SessionEnd, type SessionFacts, type Tried } from '../../src/model/session.ts'

/** What an endpoint does with an attempt. */
export type Answer = 'ok' | 'refused' | 'timeout'

/** What endpoints do: all the same, or each as its key or address says. */
export type Answers = Answer | ((endpoint: string, attempt: number) => Answer)

export function clientAddress(ip: string, port = 40_000): ClientAddress {
  const client = { word0: 0, word1: 0, word2: 0, word3: 0, port: 0 }
  fillClientAddress(ip, port, client)
  return client
}

let lastId = 0

/** One session of a client, driven as an engine drives it, step by step. */
export class ScriptedSession {
  readonly listener: number
  readonly client: ClientAddress
  readonly id = ++lastId
  /** `10.1.0.1:80/TCP refused`, one a failed attempt. */
  readonly failed: string[] = []
  /** The endpoint that is dialled or connected now. */
  endpoint: RouteEndpoint | undefined
  end: SessionEnd | undefined
  attempts = 0
  /** How long its PROXY header may take; undefined: it need not send one. */
  hearMs: number | undefined
  /** How long it has to wait; undefined: it need not. */
  delayedMs: number | undefined
  /** It waits in vain, and for what is refused then; undefined: it does not. */
  dropped: Extract<Decision, { readonly do: 'drop' }> | undefined
  /** How it was told to wait; undefined: it does not. */
  waits: Wait | undefined
  /** What the endpoint is sent first. */
  prelude: Prelude | undefined
  #policy: SessionPolicy
  readonly #clock: ManualClock
  readonly #startedMs: number
  #tried: readonly Tried[] = []
  #connectMs = 0
  #dialledMs = 0
  #tookMs = -1
  #ticket: number = NO_TICKET

  constructor(policy: SessionPolicy, clock: ManualClock, listener: number, ip: string, port?: number) {
    this.#policy = policy
    this.#clock = clock
    this.listener = listener
    this.client = clientAddress(ip, port)
    this.#startedMs = clock.now()
    this.#ask()
  }

  /** The endpoint's key, or why there is none. */
  get outcome(): string {
    return this.endpoint?.key ?? this.end ?? 'asking'
  }

  /** What this attempt may take. */
  get connectMs(): number {
    return this.#connectMs
  }

  refused(): this {
    return this.#retry('connect-refused')
  }

  /** The endpoint says nothing for as long as it may. */
  timesOut(): this {
    this.#clock.advance(this.#connectMs)
    return this.#retry('connect-timeout')
  }

  connected(): this {
    this.#tookMs = this.#clock.now() - this.#dialledMs
    this.#policy.connected(this.endpoint?.slot ?? -1)
    return this
  }

  /** Goes over to another thread, whose policy this is; `meanwhile` happens when it is with neither. Returns the Service slot
   *  that it counted for. */
  moveTo(policy: SessionPolicy, meanwhile?: () => void): number {
    const serviceSlot = this.#policy.released(this.listener)
    meanwhile?.()
    policy.adopted(this.listener, serviceSlot)
    this.#policy = policy
    return serviceSlot
  }

  /** Ends the session. */
  close(end: SessionEnd = 'client-closed', facts: Partial<SessionFacts> = {}): void {
    this.end = end
    if (this.waits) this.#policy.waiting.leave(this.id)
    this.waits = undefined
    this.#policy.ended({
      id: this.id,
      listener: this.listener,
      client: this.client,
      lease: this.endpoint?.slot ?? -1,
      ticket: this.#ticket,
      attempts: this.attempts,
      end,
      startedMs: this.#startedMs,
      endedMs: this.#clock.now(),
      connectMs: this.#tookMs,
      bytesFromClient: 0,
      bytesFromEndpoint: 0,
      datagramsFromClient: 0,
      datagramsFromEndpoint: 0,
      ...facts,
    })
    this.endpoint = undefined
  }

  #ask(): void {
    this.#obey(this.#policy.decide(this.listener, this.client, this.#tried))
  }

  /** It waits, and may have its turn. */
  askAgain(): this {
    this.#obey(this.#policy.decideAgain(this.id, this.listener, this.client, this.#tried))
    return this
  }

  /** Its PROXY header has come, and names this client. */
  introduces(ip: string, port = 40_000): this {
    fillClientAddress(ip, port, this.client)
    this.#obey(this.#policy.introduced(this.listener, this.client))
    return this
  }

  /** It has waited. */
  waited(): this {
    this.#obey(this.#policy.delayed(this.listener, this.client))
    return this
  }

  #obey(decision: Decision): void {
    this.#ticket ||= this.#policy.takeTicket()
    if (decision.do === 'refuse') {
      this.close(decision.end)
      return
    }
    if (decision.do === 'hear') {
      this.hearMs = decision.withinMs
      return
    }
    if (decision.do === 'delay') {
      this.delayedMs = decision.forMs
      return
    }
    if (decision.do === 'drop') {
      this.dropped = decision
      return
    }
    if (decision.do === 'wait') {
      const joined = this.waits !== undefined || this.#policy.waiting.join(this.id, this.listener, decision)
      if (joined) this.waits = decision
      else this.close('over-limit')
      return
    }
    this.waits = undefined
    this.prelude = decision.prelude
    this.attempts++
    this.endpoint = decision.endpoint
    this.#connectMs = decision.connectMs
    this.#dialledMs = this.#clock.now()
  }

  #retry(end: Tried['end']): this {
    const tried: Tried = { lease: this.endpoint?.slot ?? -1, end }
    this.failed.push(`${this.endpoint?.key} ${end === 'connect-refused' ? 'refused' : 'timeout'}`)
    this.endpoint = undefined
    this.#policy.connectFailed(this.listener, this.client, tried)
    this.#tried = [...this.#tried, tried]
    this.#ask()
    return this
  }
}

/** A session that is dialled to its end: connected, or given up. */
export function connectSession(
  policy: SessionPolicy,
  clock: ManualClock,
  listener: number,
  ip: string,
  answers: Answers = 'ok',
): ScriptedSession {
  const session = new ScriptedSession(policy, clock, listener, ip)
  while (session.endpoint) {
    const answer = typeof answers === 'string' ? answers : answers(session.endpoint.key, session.attempts - 1)
    if (answer === 'ok') return session.connected()
    if (answer === 'refused') session.refused()
    else session.timesOut()
  }
  return session
}
