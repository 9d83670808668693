import { systemClock } from '../../lib/clock.ts'
import type { SessionPage } from '../../model/session-view.ts'
import { EXIT } from '../command-context.ts'
import type { Output } from '../output.ts'
import type { AdminClient, AdminQuery } from './admin-client.ts'
import { untilInterrupted } from './interrupted.ts'
import { openScreen } from './screen.ts'
import { showSessions } from './sessions-view.ts'

const EVERY_MS = 1_000

/** Shows sessions again and again until it is interrupted. */
export async function watchSessions(client: AdminClient, query: AdminQuery, output: Output): Promise<number> {
  using interrupted = untilInterrupted()
  using screen = openScreen(output)
  while (!interrupted.signal.aborted) {
    const page = await client.get<SessionPage>('/portald/v1/sessions', query)
    screen.show(`${page.matched} sessions\n${showSessions(page, output.width)}`.split('\n'))
    await Promise.race([interrupted.done, new Promise<void>((resolve) => void systemClock.after(EVERY_MS, resolve))])
  }
  return EXIT.done
}
