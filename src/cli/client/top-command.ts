import { systemClock } from '../../lib/clock.ts'
import { parseDuration } from '../../lib/duration.ts'
import type { Status } from '../../model/status.ts'
import { ratesBetween, type TopRates } from '../../observe/status-rates.ts'
import { EXIT, refuseUsage, usageProblem } from '../command-context.ts'
import type { Asking } from './asking.ts'
import { untilInterrupted } from './interrupted.ts'
import { openKeys } from './keys.ts'
import { openScreen } from './screen.ts'
import { FIRST_CHOICE, pressKey, showTop, type TopChoice } from './top-view.ts'

const PATH = '/portald/v1/status'
const USUAL_INTERVAL = '1s'
/** More often is not worth its price. */
const LEAST_INTERVAL_MS = 100

/** Shows what happens, again and again, until a key or a signal ends it; or once. */
export async function top({ client, options, context }: Asking): Promise<number> {
  const { output } = context
  const intervalMs = parseDuration(options.interval ?? USUAL_INTERVAL)
  if (intervalMs === undefined || intervalMs < LEAST_INTERVAL_MS) {
    return refuseUsage('top', [usageProblem('--interval', `"${options.interval}": must be a duration of 100ms or more`)], context)
  }
  using interrupted = untilInterrupted()
  const pause = () =>
    Promise.race([interrupted.done, new Promise<void>((resolve) => void systemClock.after(intervalMs, resolve))])
  const rows = options.endpoints ? 'endpoints' : 'services'
  let choice: TopChoice = { ...FIRST_CHOICE, rows, filter: options.filter ?? '' }
  let before = await client.get<Status>(PATH)
  if (options.once) {
    await pause()
    const lines = showTop(ratesBetween(before, await client.get<Status>(PATH)), choice, {
      width: output.width,
      height: Number.POSITIVE_INFINITY,
    })
    output.out(
      lines
        .slice(0, -1)
        .filter((line) => line !== '')
        .join('\n'),
    )
    return EXIT.done
  }
  using screen = openScreen(output)
  let rates: TopRates = ratesBetween(before, before)
  const draw = () => screen.show(showTop(rates, choice, output))
  using _keys = openKeys((key) => {
    const next = pressKey(choice, key)
    if (!next) interrupted.end()
    else {
      choice = next
      draw()
    }
  })
  draw()
  while (!interrupted.signal.aborted) {
    await pause()
    if (interrupted.signal.aborted) break
    if (choice.paused) continue
    const now = await client.get<Status>(PATH)
    rates = ratesBetween(before, now)
    before = now
    draw()
  }
  return EXIT.done
}
