import type { Clock } from '../lib/clock.ts'
import { openNotifySocket, type SupervisorWishes } from '../lib/notify-socket.ts'
import type { Logger } from '../observe/logger.ts'
import type { Proxy as RunningProxy } from '../runtime/proxy.ts'
import { type Supervised, Supervision } from '../runtime/supervision.ts'

/** Opens the way to the service manager that has `wishes`. Where there is none, or it cannot be had here, nothing is told;
 *  the latter is said, for a manager that waits to be told would end the process. */
export function openSupervision(
  wishes: SupervisorWishes | undefined,
  { clock, logger }: { readonly clock: Clock; readonly logger: Logger },
): Supervision {
  const socket = wishes && openNotifySocket(wishes.notifySocket)
  if (typeof socket === 'string') {
    const message = 'the service manager cannot be told how the process is; if it waits for that, set Type=exec in the unit'
    logger.warn('supervisor.failed', message, { reason: socket })
  }
  const send = typeof socket === 'object' ? (state: string) => socket.send(state) : undefined
  return new Supervision({ send, watchdogMs: wishes?.watchdogMs, clock, logger })
}

/** What a service manager is told of a proxy. */
export function supervisedProxy(proxy: RunningProxy): Supervised {
  return {
    pulse: () => proxy.pulse(),
    read() {
      const { sessions, problems, sources } = proxy.read()
      const addresses = proxy.addresses()
      return {
        sessions,
        listening: addresses.filter(({ status }) => status.state === 'listening').length,
        listeners: addresses.length,
        problems: problems.length,
        waitingFor: sources.filter(({ state }) => !state?.synced).map(({ name }) => name),
        unreadSince: (wallMs) =>
          sources.filter(({ readAtMs }) => readAtMs === undefined || readAtMs < wallMs).map(({ name }) => name),
      }
    },
  }
}
