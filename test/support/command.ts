import { type ChildProcess, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { eventually } from './eventually.ts'

const MAIN = join(import.meta.dirname, '../../src/main.ts')

/** A command that runs in a process of its own; killed when disposed. */
export interface RunningCommand extends AsyncDisposable {
  readonly process: ChildProcess
  /** Everything written so far. */
  out(): string
  err(): string
  /** Log lines with this event so far, parsed. */
  events(event: string): readonly Record<string, unknown>[]
  /** Waits for a log line with this event. */
  event(event: string): Promise<Record<string, unknown>>
  /** Resolves when the process is gone. */
  readonly exit: Promise<{ readonly code: number | null; readonly signal: string | null }>
}

/** Starts `portald` from the sources. Variables are only the given ones and what a process cannot do without. */
export function startCommand(args: readonly string[], variables: Readonly<Record<string, string>> = {}): RunningCommand {
  return startNode([MAIN, ...args], variables)
}

/** The same in a network namespace, by way of another program if told. */
export function startCommandIn(namespace: string, args: readonly string[], through: readonly string[] = []): RunningCommand {
  return start('ip', ['netns', 'exec', namespace, ...through, process.execPath, MAIN, ...args], {})
}

/** Starts this same Node with other arguments. */
export function startNode(args: readonly string[], variables: Readonly<Record<string, string>> = {}): RunningCommand {
  return start(process.execPath, args, variables)
}

function start(program: string, args: readonly string[], variables: Readonly<Record<string, string>>): RunningCommand {
  const state = join(tmpdir(), `portald-state-${randomUUID()}`)
  const child = spawn(program, args, {
    // Tests run side by side, and the usual places of the admin socket and of objects are one each.
    env: { PATH: process.env['PATH'], PORTALD_ADMIN: '', PORTALD_STATE_DIR: state, ...variables },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const text = { out: '', err: '' }
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    text.out += chunk
  })
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    text.err += chunk
  })
  const exit = new Promise<{ code: number | null; signal: string | null }>((resolve) => {
    child.on('close', (code, signal) => resolve({ code, signal }))
  })
  const events = (event: string) =>
    text.err
      .split('\n')
      .filter((line) => line.startsWith('{') && line.endsWith('}'))
      .map((line) => JSON.parse(line) as Record<string, unknown>)
      .filter((line) => line['event'] === event)
  return {
    process: child,
    out: () => text.out,
    err: () => text.err,
    events,
    event: (event) =>
      eventually(() => {
        const [first] = events(event)
        if (!first) throw new Error(`no ${event} in:\n${text.err}`)
        return first
      }),
    exit,
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      await exit
      rmSync(state, { recursive: true, force: true })
    },
  }
}

/** Runs `portald` to its end. */
export async function runCommand(args: readonly string[], variables?: Readonly<Record<string, string>>) {
  await using command = startCommand(args, variables)
  const { code } = await command.exit
  return { code, out: command.out(), err: command.err() }
}
