import type { Clock } from '../../lib/clock.ts'
import { messageOf } from '../../lib/errors.ts'
import type { ApiCall, ApiClient } from './api-client.ts'
import { pathOf } from './api-kinds.ts'
import { broken, type Failure } from './failure.ts'
import type { ApiRequest, Reflector } from './reflector.ts'

/** What following one kind needs. */
export interface ReflectOptions {
  readonly reflector: Reflector
  readonly client: ApiClient
  readonly namespace: string | undefined
  readonly clock: Clock
  /** Told whenever the reflector may know something new. */
  readonly onChange: () => void
  /** Told when the server was heard of. */
  readonly onHeard: () => void
}

/** Does what a reflector says until `signal` aborts. */
export async function reflect(options: ReflectOptions, signal: AbortSignal): Promise<void> {
  const { reflector, client, clock, onChange, onHeard } = options
  const callOf = ({ form, query, renew }: ApiRequest): ApiCall => ({ path: pathOf(form, options.namespace), query, renew })

  async function list(request: ApiRequest): Promise<void> {
    const answer = await client.get(callOf(request), signal)
    if (signal.aborted) return
    if ('failure' in answer) return reflector.failed(answer.failure, clock.now())
    onHeard()
    reflector.listed(answer.body, clock.now())
  }

  async function watch(request: ApiRequest, longestMs: number): Promise<void> {
    let stopped = false
    const listener = {
      opened() {
        onHeard()
        reflector.opened()
        onChange()
      },
      line(text: string) {
        onHeard()
        const event = parseEvent(text)
        if ('failure' in event) reflector.failed(event.failure, clock.now())
        stopped = 'failure' in event || !reflector.observed(event.value, clock.now())
        onChange()
        return !stopped
      },
      idleMs: () => reflector.idleMs,
    }
    const failure = await client.watch(callOf(request), longestMs, listener, signal)
    if (signal.aborted || stopped) return
    if (failure) reflector.failed(failure, clock.now())
    else reflector.ended(clock.now())
  }

  while (!signal.aborted) {
    const command = reflector.next(clock.now())
    if (command.do === 'wait') await pause(clock, command.delayMs, signal)
    else if (command.do === 'list') await list(command.request)
    else await watch(command.request, command.longestMs)
    onChange()
  }
}

function parseEvent(text: string): { readonly value: unknown } | { readonly failure: Failure } {
  try {
    return { value: JSON.parse(text) as unknown }
  } catch (error) {
    return { failure: broken(`an event is no JSON: ${messageOf(error)}`) }
  }
}

/** Waits, but not longer than until `signal` aborts. */
async function pause(clock: Clock, delayMs: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  using _timer = clock.after(delayMs, resolve)
  signal.addEventListener('abort', () => resolve(), { once: true })
  await promise
}
