import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { describe, expect, it } from 'vitest'
import { SESSION_ENDS, type SessionFacts } from '../../src/model/session.ts'
import { createSharedState } from '../../src/model/shared-layout.ts'
import { type RawRecord, RecordReader, RecordWriter } from '../../src/observe/records.ts'

function ring(records: number): SharedArrayBuffer {
  const shared = createSharedState({
    rows: 1,
    serviceSlots: 1,
    endpointSlots: 1,
    affinityEntries: 32,
    recordsPerRing: records,
  })
  return shared.records[0] as SharedArrayBuffer
}

function session(id: number): SessionFacts {
  return {
    id,
    listener: 2,
    client: { word0: 0, word1: 0, word2: 0xffff, word3: 0x7f000001, port: 40_000 },
    lease: 5,
    ticket: 0,
    attempts: 1,
    end: 'endpoint-reset',
    startedMs: 1000,
    endedMs: 1250.5,
    connectMs: 0.25,
    bytesFromClient: 2 ** 40,
    bytesFromEndpoint: 7,
    datagramsFromClient: 0,
    datagramsFromEndpoint: 0,
  }
}

function drained(reader: RecordReader): RawRecord[] {
  const records: RawRecord[] = []
  reader.drain((record) => records.push(record))
  return records
}

describe('ring of session records', () => {
  it('hands over every value of a session', () => {
    const buffer = ring(4)
    new RecordWriter(buffer).write(session(9), 3, 1_700_000_000_000)
    expect(drained(new RecordReader(buffer))).toEqual([
      {
        id: 9,
        startedAtMs: 1_700_000_000_000,
        durationMs: 250.5,
        connectMs: 0.25,
        word0: 0,
        word1: 0,
        word2: 0xffff,
        word3: 0x7f000001,
        port: 40_000,
        listener: 2,
        serviceSlot: 3,
        lease: 5,
        attempts: 1,
        bytesFromClient: 2 ** 40,
        bytesFromEndpoint: 7,
        datagramsFromClient: 0,
        datagramsFromEndpoint: 0,
        end: SESSION_ENDS.indexOf('endpoint-reset'),
      },
    ])
  })

  it('hands over in order, each record once', () => {
    const buffer = ring(8)
    const writer = new RecordWriter(buffer)
    const reader = new RecordReader(buffer)
    for (const id of [1, 2, 3]) writer.write(session(id), 0, 0)
    expect(drained(reader).map((record) => record.id)).toEqual([1, 2, 3])
    expect(reader.drain(() => {})).toBe(0)
  })

  it('keeps order when it wraps around', () => {
    const buffer = ring(4)
    const writer = new RecordWriter(buffer)
    const reader = new RecordReader(buffer)
    const seen: number[] = []
    for (let id = 0; id < 30; id += 3) {
      for (let n = 0; n < 3; n++) writer.write(session(id + n), 0, 0)
      reader.drain((record) => seen.push(record.id))
    }
    expect(seen).toEqual(Array.from({ length: 30 }, (_, id) => id))
    expect(reader.dropped()).toBe(0)
  })

  it('keeps the oldest when it is full, and counts what it drops', () => {
    const buffer = ring(4)
    const writer = new RecordWriter(buffer)
    const reader = new RecordReader(buffer)
    for (let id = 0; id < 10; id++) writer.write(session(id), 0, 0)
    expect(reader.dropped()).toBe(6)
    expect(drained(reader).map((record) => record.id)).toEqual([0, 1, 2, 3])
    writer.write(session(99), 0, 0)
    expect(drained(reader).map((record) => record.id)).toEqual([99])
  })

  it('goes on when its counts pass the end of 32 bits', () => {
    const buffer = ring(4)
    const header = new Int32Array(buffer, 0, 2)
    header.fill(2 ** 31 - 2)
    const writer = new RecordWriter(buffer)
    const reader = new RecordReader(buffer)
    for (let id = 0; id < 4; id++) writer.write(session(id), 0, 0)
    expect(drained(reader).map((record) => record.id)).toEqual([0, 1, 2, 3])
    header.fill(-2)
    for (let id = 4; id < 8; id++) writer.write(session(id), 0, 0)
    expect(drained(reader).map((record) => record.id)).toEqual([4, 5, 6, 7])
  })

  it('lets a record be written while one is taken', () => {
    const buffer = ring(4)
    const writer = new RecordWriter(buffer)
    const reader = new RecordReader(buffer)
    for (let id = 0; id < 4; id++) writer.write(session(id), 0, 0)
    reader.drain((record) => {
      if (record.id === 0) writer.write(session(4), 0, 0)
    })
    expect(drained(reader).map((record) => record.id)).toEqual([4])
    expect(reader.dropped()).toBe(0)
  })

  it('carries every record from another thread that is not dropped', async () => {
    const buffer = ring(256)
    const reader = new RecordReader(buffer)
    const worker = new Worker(
      `const { workerData } = require('node:worker_threads')
       import(workerData.records).then(({ RecordWriter }) => {
         const writer = new RecordWriter(workerData.buffer)
         for (let id = 0; id < 20_000; id++) writer.write({ ...workerData.session, id, bytesFromClient: id * 3 }, 0, 0)
       })`,
      {
        eval: true,
        workerData: {
          records: new URL('../../src/observe/records.ts', import.meta.url).href,
          buffer,
          session: session(0),
        },
      },
    )
    let running = true
    const exit = once(worker, 'exit').then(() => {
      running = false
    })
    const seen: RawRecord[] = []
    while (running) {
      reader.drain((record) => seen.push(record))
      await new Promise((resolve) => setImmediate(resolve))
    }
    await exit
    reader.drain((record) => seen.push(record))
    expect(seen.length + reader.dropped()).toBe(20_000)
    expect(seen.every((record, n) => n === 0 || record.id > (seen[n - 1] as RawRecord).id)).toBe(true)
    expect(seen.every((record) => record.bytesFromClient === record.id * 3)).toBe(true)
  })
})
