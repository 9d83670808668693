import type { Ledger } from '../balancer/ledger.ts'
import type { AskEndpoint } from '../health/ask.ts'
import { type HealthChange, HealthKeeper } from '../health/keeper.ts'
import type { Clock } from '../lib/clock.ts'
import { messageOf } from '../lib/errors.ts'
import type { Random } from '../lib/random.ts'
import { endpointWord } from '../model/shared-layout.ts'
import type { Logger } from '../observe/logger.ts'

/** How endpoints are asked. */
export interface CheckSettings {
  /** Path and arguments of programs that check endpoints, by name. */
  readonly programs: ReadonlyMap<string, readonly string[]>
  readonly atOnce: number
  /** Instead of the network. */
  readonly ask?: AskEndpoint
}

export interface EndpointHealthOptions {
  readonly ledger: Ledger
  readonly clock: Clock
  readonly random: Random
  readonly checks: CheckSettings
  readonly logger: Logger
  /** Told after the threads. */
  readonly onChange: (change: HealthChange) => void
}

/** What keeps the health of endpoints, with the ledger's words to tell it by, and the log. */
export function createEndpointHealth({ ledger, clock, random, checks, logger, onChange }: EndpointHealthOptions): HealthKeeper {
  const { endpointWords } = ledger.views
  return new HealthKeeper({
    clock,
    random,
    atOnce: checks.atOnce,
    ask: checks.ask ?? askLater(checks.programs),
    words: {
      slotOf: (service, endpoint) => ledger.knownEndpointSlot(service, endpoint),
      count: (slot, word) => Atomics.load(endpointWords, endpointWord(slot, word)),
      forgetCount(slot) {
        for (const word of ['failures', 'resets'] as const) Atomics.store(endpointWords, endpointWord(slot, word), 0)
      },
      lay: (service, endpoint, word, value) => ledger.lay(service, endpoint, word, value),
    },
    onChange(change) {
      report(logger, change)
      onChange(change)
    },
  })
}

/** Loaded with the first question: most processes have none. */
function askLater(programs: ReadonlyMap<string, readonly string[]>): AskEndpoint {
  const loading = () => import('../health/checks/ask-endpoint.ts').then((module) => module.createAskEndpoint(programs))
  let asking: Promise<AskEndpoint> | undefined
  return async (request, signal) => {
    asking ??= loading()
    try {
      return await (await asking)(request, signal)
    } catch (error) {
      // It could not be read: there may be a descriptor the next time.
      asking = undefined
      return { unasked: messageOf(error) }
    }
  }
}

function report(logger: Logger, { service, endpoint, state, lastFailure, up, endpoints, allUsed }: HealthChange): void {
  const fields = { key: endpoint, service, up, endpoints }
  const reason = lastFailure?.reason
  if (state === 'up') logger.info('endpoint.up', 'works again', fields)
  else if (state === 'down') logger.warn('endpoint.down', 'does not work: no new sessions', { ...fields, reason })
  else logger.warn('endpoint.ejected', 'failed sessions: no new ones for a while', { ...fields, reason })
  if (allUsed) logger.warn('endpoint.panic', 'too few endpoints work: all of them are used', { key: service, up, endpoints })
}
