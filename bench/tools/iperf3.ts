import { runTool } from '../child.ts'
import type { Address } from '../subjects/subject.ts'

export interface Iperf3Result {
  readonly bytes: number
  readonly seconds: number
  readonly bytesPerSecond: number
}

interface Iperf3Json {
  readonly error?: string
  readonly end?: { readonly sum_received?: { readonly bytes?: number; readonly seconds?: number } }
}

/** What arrived, from the output of `iperf3 --json`. */
export function parseIperf3(output: string): Iperf3Result {
  let json: Iperf3Json
  try {
    json = JSON.parse(output)
  } catch {
    throw new Error(`iperf3: its output is not JSON: ${output.trim().slice(0, 200)}`)
  }
  if (json.error !== undefined) throw new Error(`iperf3: ${json.error}`)
  const { bytes = 0, seconds = 0 } = json.end?.sum_received ?? {}
  if (bytes === 0 || seconds === 0) throw new Error('iperf3: nothing arrived')
  return { bytes, seconds, bytesPerSecond: bytes / seconds }
}

export interface Iperf3Options {
  readonly to: Address
  readonly streams: number
  readonly seconds: number
  /** From the endpoint to the client. */
  readonly reverse?: boolean
  /** Paced to so many bytes a second, over all streams. */
  readonly bytesPerSecond?: number
  readonly cores: string | undefined
}

export async function runIperf3(options: Iperf3Options): Promise<Iperf3Result> {
  const { to, streams, cores } = options
  const seconds = Math.max(1, Math.round(options.seconds))
  const command = ['iperf3', '--json', '-c', to.ip, '-p', `${to.port}`, '-P', `${streams}`, '-t', `${seconds}`]
  if (options.reverse) command.push('--reverse')
  if (options.bytesPerSecond !== undefined) command.push('-b', `${Math.round((options.bytesPerSecond * 8) / streams)}`)
  const { stdout, stderr } = await runTool([...command, '--connect-timeout', '5000'], cores, seconds * 1000 + 15_000)
  return parseIperf3(stdout || stderr)
}
