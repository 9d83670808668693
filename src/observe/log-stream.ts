import { writeSync } from 'node:fs'
import type { Clock } from '../lib/clock.ts'
import { isErrno } from '../lib/errors.ts'

/** What may wait for a reader of the log that has fallen behind. */
const LONGEST_BACKLOG_BYTES = 1 << 20
const RETRY_MS = 50

export interface LogStreamOptions {
  readonly fd: number
  readonly clock: Clock
  /** Called when lines can be written again after some were lost. */
  readonly onCaughtUp: (lost: number) => void
}

/** Writes lines at once, so that none is missing when the process ends in a hurry. What a reader that is behind does
 *  not take waits in memory up to a limit, beyond which lines are lost and counted: logging never stops traffic. */
export function createLogStream({ fd, clock, onCaughtUp }: LogStreamOptions): { write(line: string): void } {
  const backlog: Buffer[] = []
  let backlogBytes = 0
  let lost = 0

  /** Writes what the reader takes and returns the rest; what can never be written is lost. */
  function put(bytes: Buffer): Buffer {
    let rest = bytes
    try {
      while (rest.length > 0) rest = rest.subarray(writeSync(fd, rest))
      return rest
    } catch (error) {
      if (isErrno(error, 'EAGAIN')) return rest
      lost++
      return rest.subarray(rest.length)
    }
  }

  function report(before: number): void {
    if (lost === 0 || lost !== before) return
    lost = 0
    onCaughtUp(before)
  }

  function retry(): void {
    const before = lost
    for (let next = backlog[0]; next !== undefined; next = backlog[0]) {
      const rest = put(next)
      backlogBytes -= next.length - rest.length
      if (rest.length > 0) {
        backlog[0] = rest
        clock.after(RETRY_MS, retry)
        return
      }
      backlog.shift()
    }
    report(before)
  }

  function write(bytes: Buffer): void {
    const before = lost
    const rest = backlog.length > 0 ? bytes : put(bytes)
    if (rest.length === 0) {
      report(before)
      return
    }
    if (backlogBytes + rest.length > LONGEST_BACKLOG_BYTES) {
      lost++
      return
    }
    if (backlog.length === 0) clock.after(RETRY_MS, retry)
    backlog.push(rest)
    backlogBytes += rest.length
  }

  return { write: (line) => write(Buffer.from(line)) }
}
