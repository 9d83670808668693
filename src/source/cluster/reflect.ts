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

/** A kind that is followed. */
export interface Reflection {
  /** Leaves what it is doing, and reads everything again. */
  refresh(): void
  /** Resolves when nothing is done any more. */
  readonly done: Promise<void>
}

/** Does what a reflector says until `signal` aborts. */
export function reflect(options: ReflectOptions, signal: AbortSignal): Reflection {
  const { reflector, client, clock, onChange, onHeard } = options
  let interrupt = new AbortController()
  const callOf = ({ form, query, renew }: ApiRequest): ApiCall => ({ path: pathOf(form, options.namespace), query, renew })

  async function list(request: ApiRequest, stop: AbortSignal): Promise<void> {
    const answer = await client.get(callOf(request), stop)
    if (stop.aborted) return
    if ('failure' in answer) return reflector.failed(answer.failure, clock.now())
    onHeard()
    reflector.listed(answer.body, clock.now())
  }

  async function watch(request: ApiRequest, longestMs: number, stop: AbortSignal): Promise<void> {
    let enough = false
    const listener = {
      opened() {
        onHeard()
        reflector.opened()
        onChange()
      },
      line(text: string) {
        if (stop.aborted) return false
        onHeard()
        const event = parseEvent(text)
        if ('failure' in event) reflector.failed(event.failure, clock.now())
        enough = 'failure' in event || !reflector.observed(event.value, clock.now())
        onChange()
        return !enough
      },
      idleMs: () => reflector.idleMs,
    }
    const failure = await client.watch(callOf(request), longestMs, listener, stop)
    if (stop.aborted || enough) return
    if (failure) reflector.failed(failure, clock.now())
    else reflector.ended(clock.now())
  }

  async function follow(): Promise<void> {
    while (!signal.aborted) {
      interrupt = new AbortController()
      const stop = AbortSignal.any([signal, interrupt.signal])
      const command = reflector.next(clock.now())
      if (command.do === 'wait') await pause(clock, command.delayMs, stop)
      else if (command.do === 'list') await list(command.request, stop)
      else await watch(command.request, command.longestMs, stop)
      if (interrupt.signal.aborted) reflector.restart()
      onChange()
    }
  }

  return { refresh: () => interrupt.abort(), done: follow() }
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
