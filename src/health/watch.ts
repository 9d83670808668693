import { isDeepStrictEqual } from 'node:util'
import type { Clock, Timer } from '../lib/clock.ts'
import type { Random } from '../lib/random.ts'
import type { Endpoint } from '../model/endpoint.ts'
import type { AgentRule, CheckRule, EndpointHealth, EndpointState, HealthOptions } from '../model/health.ts'
import type { ServicePortKey } from '../model/keys.ts'
import { DOWN, EJECTED } from '../model/shared-layout.ts'
import { parseAgentAnswer } from './agent-answer.ts'
import type { AskEndpoint, CheckAnswer, CheckRequest } from './ask.ts'
import type { Checker, RunningInquiry } from './checker.ts'
import { Ejections } from './outlier.ts'
import { RiseFall } from './rise-fall.ts'

/** What the watches of all endpoints share. */
export interface WatchWorld {
  readonly clock: Clock
  readonly random: Random
  readonly checker: Checker
  readonly ask: AskEndpoint
}

/** How a watch tells what changed. */
export interface WatchListener {
  /** Something about how much the endpoint is to be used. */
  changed(watch: Watch): void
  checked(good: boolean): void
}

/** What an endpoint is asked, and how. */
interface Wanted {
  readonly check: CheckRule | undefined
  readonly agent: AgentRule | undefined
  readonly proxyHeader: 1 | 2 | undefined
}

const NOTHING: Wanted = { check: undefined, agent: undefined, proxyHeader: undefined }

/** The health of one endpoint of a Service port: all that checks, its agent and sessions say of it. */
export class Watch implements Disposable {
  readonly service: ServicePortKey
  readonly #world: WatchWorld
  readonly #listener: WatchListener
  readonly #riseFall = new RiseFall()
  readonly #ejections = new Ejections()
  #endpoint: Endpoint
  #wanted = NOTHING
  #check: RunningInquiry | undefined
  #agent: RunningInquiry | undefined
  #agentDown = false
  #agentPercent: number | undefined
  #returning: Timer | undefined
  #state: EndpointState = 'up'
  #sinceMs: number
  #lastFailure: EndpointHealth['lastFailure']

  constructor(service: ServicePortKey, endpoint: Endpoint, world: WatchWorld, listener: WatchListener) {
    this.service = service
    this.#endpoint = endpoint
    this.#world = world
    this.#listener = listener
    this.#sinceMs = world.clock.wall()
  }

  get endpoint(): Endpoint {
    return this.#endpoint
  }

  get state(): EndpointState {
    return this.#state
  }

  /** Its `health` word. */
  get word(): number {
    const down = this.#agentDown || this.#riseFall.down
    return (down ? DOWN : 0) + (this.#ejections.untilMs === undefined ? 0 : EJECTED)
  }

  get agentPercent(): number | undefined {
    return this.#agentPercent
  }

  get lastFailure(): EndpointHealth['lastFailure'] {
    return this.#lastFailure
  }

  /** Takes what its Service wants now; what is known of it stays. One that is not used is not asked. */
  follow(endpoint: Endpoint, { check, agent, ejection }: HealthOptions, proxyHeader: 1 | 2 | undefined, used: boolean): void {
    this.#endpoint = endpoint
    const before = this.#wanted
    const wanted = used ? { check, agent, proxyHeader } : NOTHING
    this.#wanted = wanted
    const sameHeader = before.proxyHeader === wanted.proxyHeader
    if (!isDeepStrictEqual(before.check, wanted.check) || !sameHeader) this.#restartCheck(wanted)
    if (!isDeepStrictEqual(before.agent, wanted.agent)) this.#restartAgent(wanted.agent)
    if (!check) this.#riseFall.forget()
    if (!agent) {
      this.#agentDown = false
      this.#agentPercent = undefined
    }
    if (!ejection) this.#stopEjection()
    this.#settle()
  }

  /** Sessions failed on it: who is asked whether it works is asked soon. */
  suspect(): void {
    if (!this.#riseFall.down) this.#check?.hasten()
  }

  /** Takes it out for a while. `failures`: how many in a row. */
  eject(rule: NonNullable<HealthOptions['ejection']>, failures: number): void {
    const { clock, random } = this.#world
    this.#ejections.eject(clock.now(), rule, random.below(1_001) / 1_000)
    this.#fail(`${failures} failures in a row`)
    this.#returning = clock.after((this.#ejections.untilMs as number) - clock.now(), () => {
      this.#stopEjection()
      this.#settle()
      this.#listener.changed(this)
    })
    this.#settle()
    this.#listener.changed(this)
  }

  read(): EndpointHealth {
    const { clock } = this.#world
    const { untilMs } = this.#ejections
    return {
      service: this.service,
      endpoint: this.#endpoint.key,
      state: this.#state,
      sinceMs: this.#sinceMs,
      lastFailure: this.#lastFailure,
      agentPercent: this.#agentPercent,
      ejectedUntilMs: untilMs === undefined ? undefined : clock.wall() + untilMs - clock.now(),
    }
  }

  [Symbol.dispose](): void {
    this.#check?.[Symbol.dispose]()
    this.#agent?.[Symbol.dispose]()
    this.#returning?.[Symbol.dispose]()
  }

  #restartCheck({ check, proxyHeader }: Wanted): void {
    this.#check?.[Symbol.dispose]()
    this.#check =
      check &&
      this.#world.checker.start<CheckAnswer>({
        pace: check,
        // Another port need not be one that expects a header.
        ask: (signal) => this.#ask(check.question, check.port, check.port === undefined ? proxyHeader : undefined, signal),
        take: (answer) => this.#takeCheck(answer, check),
      })
  }

  #restartAgent(agent: AgentRule | undefined): void {
    this.#agent?.[Symbol.dispose]()
    this.#agent =
      agent &&
      this.#world.checker.start<CheckAnswer>({
        pace: agent,
        ask: (signal) => this.#ask({ how: 'agent' }, agent.port, undefined, signal),
        take: (answer) => this.#takeAgent(answer),
      })
  }

  #ask(
    question: CheckRequest['question'],
    port: CheckRule['port'],
    proxyHeader: CheckRequest['proxyHeader'],
    signal: AbortSignal,
  ): Promise<CheckAnswer> {
    const { address } = this.#endpoint
    const at = port === undefined ? address : { ip: address.ip, port }
    return this.#world.ask({ question, address: at, service: this.service, proxyHeader }, signal)
  }

  #takeCheck(answer: CheckAnswer, rule: CheckRule): boolean {
    if ('unasked' in answer) return this.#riseFall.inDoubt
    const good = 'said' in answer
    if (!good) this.#fail(`${rule.question.how} check: ${answer.failure}`)
    const turned = this.#riseFall.note(good, rule)
    this.#listener.checked(good)
    if (turned) {
      this.#settle()
      this.#listener.changed(this)
    }
    return this.#riseFall.inDoubt
  }

  /** An agent that says nothing, or nothing that makes sense, leaves in force what it said before. */
  #takeAgent(answer: CheckAnswer): boolean {
    if ('unasked' in answer) return false
    const said = 'said' in answer ? parseAgentAnswer(answer.said) : undefined
    if (!said) {
      const why = 'failure' in answer ? answer.failure : 'the answer makes no sense'
      this.#fail(`agent: ${why}`)
      return false
    }
    const before = { down: this.#agentDown, percent: this.#agentPercent }
    this.#agentDown = said.down ?? this.#agentDown
    this.#agentPercent = said.percent ?? this.#agentPercent
    if (this.#agentDown && !before.down) this.#fail(`agent: ${said.reason ?? 'down'}`)
    if (before.down === this.#agentDown && before.percent === this.#agentPercent) return false
    this.#settle()
    this.#listener.changed(this)
    return false
  }

  #fail(reason: string): void {
    this.#lastFailure = { atMs: this.#world.clock.wall(), reason }
  }

  #stopEjection(): void {
    this.#returning?.[Symbol.dispose]()
    this.#returning = undefined
    if (this.#ejections.untilMs !== undefined) this.#ejections.end(this.#world.clock.now())
  }

  #settle(): void {
    const state = this.word & DOWN ? 'down' : this.word & EJECTED ? 'ejected' : 'up'
    if (state === this.#state) return
    this.#state = state
    this.#sinceMs = this.#world.clock.wall()
  }
}
