import { loadLibc } from './libc/load.ts'
import { openUnixDatagrams } from './libc/unix-datagram.ts'

/** What a service manager told the process in its environment: `sd_notify(3)` and `sd_watchdog_enabled(3)` of systemd. */
export interface SupervisorWishes {
  /** Where it wants to be told how the process is: a path, or an abstract name behind an `@`. */
  readonly notifySocket: string
  /** It ends the process when it was not told for so long that all is well; undefined: never. */
  readonly watchdogMs: number | undefined
}

const US_PER_MS = 1000
const VARIABLES = ['NOTIFY_SOCKET', 'WATCHDOG_USEC', 'WATCHDOG_PID'] as const

/** Takes the wishes out of the environment, so that no child believes that they are meant for it. */
export function takeSupervisorWishes(variables: NodeJS.ProcessEnv, pid: number): SupervisorWishes | undefined {
  const [notifySocket, usec, watchdogPid] = VARIABLES.map((name) => variables[name])
  for (const name of VARIABLES) delete variables[name]
  if (!notifySocket) return undefined
  const meant = watchdogPid === undefined || watchdogPid === String(pid)
  const watchdogMs = meant && /^\d{1,15}$/.test(usec ?? '') ? Number(usec) / US_PER_MS : 0
  return { notifySocket, watchdogMs: watchdogMs > 0 ? watchdogMs : undefined }
}

/** Sends states to a service manager, without ever waiting for it. */
export interface NotifySocket extends Disposable {
  /** Lines such as `READY=1`; returns why it could not be told, in words. */
  send(state: string): string | undefined
}

/** Opens the way to a service manager, or says in words why there is none. */
export function openNotifySocket(path: string): NotifySocket | string {
  if (!/^[/@]./.test(path)) return `"${path}" is neither a path nor an abstract name`
  const loaded = loadLibc()
  if (!loaded.libc) return loaded.reason
  const opened = openUnixDatagrams(loaded.libc, path)
  if (opened.failed) return `${opened.failed.call}: ${opened.failed.errno}`
  const { value: datagrams } = opened
  return {
    send(state) {
      const failed = datagrams.send(state)
      return failed && `${failed.call}: ${failed.errno}`
    },
    [Symbol.dispose]: () => datagrams[Symbol.dispose](),
  }
}
