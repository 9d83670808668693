import { runTool } from '../child.ts'

export interface WrkResult {
  readonly requests: number
  readonly seconds: number
  readonly perSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  /** Answers that were not 2xx or 3xx. */
  readonly badAnswers: number
  readonly socketErrors: number
}

const MILLISECONDS: Readonly<Record<string, number>> = { us: 1e-3, ms: 1, s: 1e3, m: 60e3, h: 3600e3 }

/** wrk's durations: `488.00us`, `1.61ms`, `2.00s`, `1.50m`. */
export function parseWrkDurationMs(text: string): number | undefined {
  const match = /^([\d.]+)(us|ms|s|m|h)$/.exec(text)
  const unit = MILLISECONDS[match?.[2] ?? '']
  return unit === undefined ? undefined : Number(match?.[1]) * unit
}

export function parseWrk(output: string): WrkResult {
  const total = /^\s*(\d+) requests in ([\d.]+\w+),/m.exec(output)
  const seconds = (parseWrkDurationMs(total?.[2] ?? '') ?? 0) / 1000
  if (total === null || seconds === 0) throw new Error(`wrk: no result in its output: ${output.trim().slice(0, 200)}`)
  const quantile = (percent: number) =>
    parseWrkDurationMs(new RegExp(`^\\s+${percent}%\\s+(\\S+)$`, 'm').exec(output)?.[1] ?? '') ?? Number.NaN
  const errors = /Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/.exec(output)
  const requests = Number(total[1])
  return {
    requests,
    seconds,
    perSecond: requests / seconds,
    p50Ms: quantile(50),
    p99Ms: quantile(99),
    badAnswers: Number(/Non-2xx or 3xx responses: (\d+)/.exec(output)?.[1] ?? 0),
    socketErrors: errors === null ? 0 : errors.slice(1).reduce((sum, count) => sum + Number(count), 0),
  }
}

export interface WrkOptions {
  readonly url: string
  readonly connections: number
  readonly seconds: number
  readonly close?: boolean
  readonly threads?: number
  readonly cores: string | undefined
}

export async function runWrk(options: WrkOptions): Promise<WrkResult> {
  const seconds = Math.max(1, Math.round(options.seconds))
  const command = [
    'wrk',
    `-t${options.threads ?? 1}`,
    `-c${options.connections}`,
    `-d${seconds}s`,
    '--timeout',
    '5s',
    '--latency',
  ]
  if (options.close) command.push('-H', 'Connection: close')
  const { stdout, stderr, code } = await runTool([...command, options.url], options.cores, seconds * 1000 + 15_000)
  if (code !== 0) throw new Error(`wrk: exit ${code}: ${(stderr || stdout).trim().slice(0, 200)}`)
  return parseWrk(stdout)
}
