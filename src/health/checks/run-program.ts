import { spawn } from 'node:child_process'
import type { CheckAnswer } from '../ask.ts'
import { failureOf } from './failures.ts'

/** Where a program finds others, whatever we were started with. */
const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/** Runs a program without a shell, without input and output, and without our environment; it is good when it ends with 0.
 *  When its time is up it is killed, and with it all that it started. Resolves when it is gone. */
export function runProgram(argv: readonly string[], signal: AbortSignal): Promise<CheckAnswer> {
  const { promise, resolve } = Promise.withResolvers<CheckAnswer>()
  const [path = '', ...words] = argv
  // A group of its own, so that its children can be killed along with it.
  const child = spawn(path, words, { stdio: 'ignore', env: { PATH }, cwd: '/', detached: true })
  let late = false
  const kill = () => {
    late = true
    if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
    try {
      process.kill(-child.pid, 'SIGKILL')
    } catch {
      // It has ended this moment, or became somebody whom we may not kill: its end is waited for either way.
    }
  }
  const settle = (answer: CheckAnswer) => {
    signal.removeEventListener('abort', kill)
    resolve(answer)
  }
  child.on('error', (error) => settle(failureOf(error, `cannot run ${path}: `)))
  child.on('exit', (code, killedBy) => {
    if (late) settle({ failure: 'no answer in time' })
    else if (code === 0) settle({ said: '' })
    else settle({ failure: code === null ? `killed by ${killedBy}` : `exit code ${code}` })
  })
  signal.addEventListener('abort', kill, { once: true })
  if (signal.aborted) kill()
  return promise
}
