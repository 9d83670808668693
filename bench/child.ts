import { type ChildProcess, spawn } from 'node:child_process'
import { openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { processTree } from './proc.ts'

/** A process of ours, its output in a file. Disposing kills it and its descendants, at once and without asking: the
 *  subject of a trial has nothing left to finish. */
export interface Child extends AsyncDisposable {
  readonly pid: number
  readonly process: ChildProcess
  /** Why it is not running any more, with the last line it wrote; undefined while it runs. */
  gone(): string | undefined
  /** Everything it has written so far. */
  output(): string
}

export interface ChildOptions {
  readonly name: string
  readonly command: readonly string[]
  /** As for taskset, e.g. `0` or `2-5`; undefined where pinning is not possible. */
  readonly cores: string | undefined
  readonly directory: string
  readonly pipeInput?: boolean
}

const alive = new Map<number, ChildProcess>()

/** The last resort, for the exit of the runner itself. */
export function killEveryChild(): void {
  for (const pid of alive.keys()) killTree(pid)
}

function killTree(pid: number): void {
  for (const member of processTree(pid)) {
    try {
      process.kill(member, 'SIGKILL')
    } catch {
      // It is gone already.
    }
  }
}

export function pinned(command: readonly string[], cores: string | undefined): string[] {
  return cores === undefined ? [...command] : ['taskset', '-c', cores, ...command]
}

function lastLine(file: string): string {
  const lines = readFileSync(file, 'utf8').trim().split('\n')
  return lines.findLast((line) => line.trim() !== '' && !/^\s+at /.test(line))?.slice(0, 300) ?? 'no output'
}

let logs = 0

export async function openChild(options: ChildOptions): Promise<Child> {
  const [program = '', ...rest] = pinned(options.command, options.cores)
  const logFile = join(options.directory, `${options.name}-${++logs}.log`)
  const log = openSync(logFile, 'w')
  const child = spawn(program, rest, { cwd: options.directory, stdio: [options.pipeInput ? 'pipe' : 'ignore', log, log] })
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve)
    child.once('error', reject)
  })
  const pid = child.pid
  if (pid === undefined) throw new Error(`${options.name}: did not start`)
  alive.set(pid, child)
  void exited.then(() => alive.delete(pid))
  return {
    pid,
    process: child,
    gone() {
      if (child.exitCode === null && child.signalCode === null) return undefined
      return `${options.name} ended (${child.signalCode ?? `exit ${child.exitCode}`}): ${lastLine(logFile)}`
    },
    output: () => readFileSync(logFile, 'utf8'),
    async [Symbol.asyncDispose]() {
      if (child.exitCode !== null || child.signalCode !== null) return
      killTree(pid)
      await exited
    },
  }
}

export interface ToolResult {
  readonly stdout: string
  readonly stderr: string
  readonly code: number | null
}

/** Runs a program to its end, or kills it after `timeoutMs`. */
export function runTool(command: readonly string[], cores: string | undefined, timeoutMs: number): Promise<ToolResult> {
  const [program = '', ...rest] = pinned(command, cores)
  return new Promise((resolve, reject) => {
    const child = spawn(program, rest, { stdio: ['ignore', 'pipe', 'pipe'] })
    let stdout = ''
    let stderr = ''
    child.stdout.setEncoding('utf8').on('data', (chunk) => {
      stdout += chunk
    })
    child.stderr.setEncoding('utf8').on('data', (chunk) => {
      stderr += chunk
    })
    if (child.pid !== undefined) alive.set(child.pid, child)
    const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs)
    child.once('error', reject)
    child.once('close', (code, signal) => {
      clearTimeout(timer)
      if (child.pid !== undefined) alive.delete(child.pid)
      if (signal === 'SIGKILL') reject(new Error(`${command[0]}: not finished after ${timeoutMs} ms`))
      else resolve({ stdout, stderr, code })
    })
  })
}
