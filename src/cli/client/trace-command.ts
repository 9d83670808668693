import type { TraceStep } from '../../model/trace.ts'
import { EXIT } from '../command-context.ts'
import type { Asking } from './asking.ts'
import { untilInterrupted } from './interrupted.ts'
import { showMs, showSize, showSpan } from './numbers.ts'

/** Shows every step of new sessions until it is interrupted, or portald ends. */
export async function trace({ client, words: [service], options, context: { output } }: Asking): Promise<number> {
  using interrupted = untilInterrupted()
  const show = options.output === 'json' ? (line: string) => line : (line: string) => showStep(JSON.parse(line) as TraceStep)
  const query = { service, client: options.client }
  await client.follow('/portald/v1/trace', query, (line) => output.out(show(line)), interrupted.signal)
  return EXIT.done
}

/** A step in a line: when, which session, whose, and what. */
export function showStep(step: TraceStep): string {
  const time = step.time.slice(11, 23)
  if (step.step === 'lost') return `${time}  ${step.count} steps were not told: too many at once; give a --client`
  return `${time}  ${String(step.id ?? '-').padStart(6)}  ${(step.client ?? '').padEnd(21)}  ${whatOf(step)}`
}

function whatOf({
  step,
  local,
  endpoint,
  attempt,
  how,
  end,
  connectMs,
  durationMs,
  bytesFromClient,
  bytesFromEndpoint,
}: TraceStep): string {
  switch (step) {
    case 'began':
      return `came to ${local}`
    case 'waiting':
      return 'waits for a place, or for an endpoint'
    case 'hearing':
      return 'has to send a PROXY header'
    case 'introduced':
      return 'is the client that the PROXY header names'
    case 'chosen':
      return `attempt ${attempt} to ${endpoint}`
    case 'failed':
      return `${endpoint} ${how === 'timed-out' ? 'did not answer in time' : 'refused'}`
    case 'connected':
      return `connected in ${showMs(connectMs)} ms`
    default:
      return `ended: ${end}, after ${showSpan(durationMs ?? 0)}, in ${showSize(bytesFromClient ?? 0)}B, out ${showSize(bytesFromEndpoint ?? 0)}B`
  }
}
