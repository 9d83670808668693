import { systemClock } from '../../lib/clock.ts'
import { parseDuration, showDuration } from '../../lib/duration.ts'
import { keepAlive } from '../../lib/keep-alive.ts'
import { parseIp } from '../../model/address.ts'
import { parseSocketAddress } from '../../model/config-value.ts'
import type { DrainedEndpoint } from '../../model/drain.ts'
import { EXIT, refuseUsage, usageProblem } from '../command-context.ts'
import type { AdminQuery } from './admin-client.ts'
import type { Asking } from './asking.ts'
import { progressBar } from './progress.ts'

const PATH = '/portald/v1/drain'
/** How often a drain that is waited for is looked at. */
const LOOK_EVERY_MS = 250

/** Takes endpoints out, and waits for their sessions if it is to. 1: nothing was meant, or something was ended. */
export async function drain(asking: Asking): Promise<number> {
  const { client, words, options, context } = asking
  const { output } = context
  const deadlineMs = options.deadline === undefined ? undefined : parseDuration(options.deadline)
  if (options.deadline !== undefined && deadlineMs === undefined) {
    return refuseUsage(
      'drain',
      [usageProblem('--deadline', `"${options.deadline}": must be a duration such as 30s or 5m`)],
      context,
    )
  }
  const query = targetOf(words[0] as string, options.service)
  const { endpoints } = await client.send<{ endpoints: readonly DrainedEndpoint[] }>('PUT', PATH, query)
  if (endpoints.length === 0) return nothingMeant(asking)
  const begun = activeOf(endpoints)
  output.out(
    `${countOf(endpoints.length, 'endpoint')} ${endpoints.length === 1 ? 'takes' : 'take'} nothing new; ${countOf(begun, 'session')} still ${begun === 1 ? 'runs' : 'run'}`,
  )
  if (!options.wait && deadlineMs === undefined) return EXIT.done
  const startedMs = systemClock.now()
  using _alive = keepAlive()
  using bar = progressBar(output)
  for (let left = begun; left > 0; ) {
    const waitedMs = systemClock.now() - startedMs
    if (deadlineMs !== undefined && waitedMs >= deadlineMs) {
      const { killed } = await client.send<{ killed: number }>('POST', `${PATH}/finish`, query)
      bar[Symbol.dispose]()
      output.out(`the deadline passed: ended ${countOf(killed, 'session')}`)
      return killed > 0 ? EXIT.problem : EXIT.done
    }
    bar.show(begun - left, begun, `${countOf(left, 'session')} left after ${showDuration(Math.floor(waitedMs / 1000) * 1000)}`)
    await new Promise<void>((resolve) => void systemClock.after(LOOK_EVERY_MS, resolve))
    left = activeOf((await client.get<{ endpoints: readonly DrainedEndpoint[] }>(PATH, query)).endpoints)
  }
  bar[Symbol.dispose]()
  output.out('the last session has ended')
  return EXIT.done
}

/** Puts endpoints back. */
export async function undrain(asking: Asking): Promise<number> {
  const { client, words, options, context } = asking
  const query = targetOf(words[0] as string, options.service)
  const { endpoints } = await client.send<{ endpoints: readonly DrainedEndpoint[] }>('DELETE', PATH, query)
  if (endpoints.length === 0) return nothingMeant(asking)
  context.output.out(`${countOf(endpoints.length, 'endpoint')} may take new sessions again`)
  return EXIT.done
}

function nothingMeant({ words: [target], context }: Asking): number {
  context.output.err(`${target}: no endpoint is meant by that; "portald status -o wide" shows them all`)
  return EXIT.problem
}

/** Names with a slash are Services, addresses endpoints, and all others nodes. */
function targetOf(target: string, service: string | undefined): AdminQuery {
  if (target.includes('/')) return { service: target }
  const isAddress = parseIp(target.replace(/^\[(.*)\]$/, '$1')) !== undefined || parseSocketAddress(target) !== undefined
  return isAddress ? { endpoint: target, service } : { node: target, service }
}

function activeOf(endpoints: readonly DrainedEndpoint[]): number {
  return endpoints.reduce((sum, { active }) => sum + active, 0)
}

function countOf(n: number, what: string): string {
  return `${n} ${what}${n === 1 ? '' : 's'}`
}
