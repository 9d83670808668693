import type { AccessField, AccessFormat } from '../model/access-format.ts'
import type { SessionRecord } from '../model/session.ts'

/** The last moment a Date can hold. */
const LAST_DATE_MS = 8.64e15

/** What stands for something that there is not. */
const NOTHING = '-'

type Values = { readonly [Field in AccessField]: string | number | undefined }

/** One session as its line, line feed included. */
export function accessLine(record: SessionRecord, format: AccessFormat = 'json'): string {
  const values = valuesOf(record)
  if (format === 'json') return `${JSON.stringify(values)}\n`
  let line = ''
  for (const part of format) line += 'text' in part ? part.text : (values[part.field] ?? NOTHING)
  return `${line}\n`
}

function valuesOf(record: SessionRecord): Values {
  const datagrams = record.protocol !== 'TCP'
  const endedAtMs = record.startedAtMs + record.durationMs
  return {
    // A date outside of the calendar would throw.
    time: new Date(Math.abs(endedAtMs) <= LAST_DATE_MS ? endedAtMs : 0).toISOString(),
    id: record.id,
    protocol: record.protocol,
    client: record.client,
    local: record.local,
    service: record.service,
    endpoint: record.endpoint,
    scheduler: record.scheduler,
    attempts: record.attempts,
    connectMs: record.connectMs === undefined ? undefined : toMicroseconds(record.connectMs),
    durationMs: toMicroseconds(record.durationMs),
    bytesFromClient: record.bytesFromClient,
    bytesFromEndpoint: record.bytesFromEndpoint,
    datagramsFromClient: datagrams ? record.datagramsFromClient : undefined,
    datagramsFromEndpoint: datagrams ? record.datagramsFromEndpoint : undefined,
    end: record.end,
  }
}

function toMicroseconds(ms: number): number {
  return Math.round(ms * 1000) / 1000
}
