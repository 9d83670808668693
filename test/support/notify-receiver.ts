import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { eventually } from './eventually.ts'

interface Told {
  readonly pid: number
  readonly state: string
}

/** Plays the service manager: a Unix datagram socket, at a path or an abstract name, and what came to it. */
export interface NotifyReceiver extends AsyncDisposable {
  /** What it was told, in order. */
  told(): readonly Told[]
  /** Every variable it was told, in order: `READY=1`. */
  variables(): readonly string[]
}

/** Opens one; Node has no such sockets, so another program does it. */
export async function openNotifyReceiver(name: string): Promise<NotifyReceiver> {
  const child = spawn('python3', [join(import.meta.dirname, 'notify-receiver.py'), name], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let text = ''
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk
  })
  const ended = new Promise((resolve) => child.on('close', resolve))
  const told = () =>
    text
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as Told)
      .slice(1)
  await eventually(() => {
    if (!text.includes('\n')) throw new Error(`${name} is not bound`)
  })
  return {
    told,
    variables: () => told().flatMap(({ state }) => state.split('\n')),
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      await ended
    },
  }
}
