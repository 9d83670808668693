import { describe, expect, it } from 'vitest'
import { createStepRing, STEP_KINDS, StepReader, StepWriter } from '../../src/observe/step-ring.ts'
import { clientAddress } from '../support/scripted-client.ts'

const CLIENT = clientAddress('192.0.2.1')

describe('a ring of steps', () => {
  it('gives what was written, in order, once', () => {
    const ring = createStepRing()
    const [writer, reader] = [new StepWriter(ring), new StepReader(ring)]
    writer.write('began', 10, 3, CLIENT, -1, 0)
    writer.write('ended', 50, 3, CLIENT, 7, 2, {
      id: 42,
      startedMs: 10,
      connectMs: 1.5,
      bytesFromClient: 5,
      bytesFromEndpoint: 9,
    })
    expect(reader.drain().map((step) => ({ ...step, kind: STEP_KINDS[step.kind] }))).toMatchObject([
      { kind: 'began', atMs: 10, listener: 3, ...CLIENT, lease: -1, id: 0, connectMs: -1 },
      {
        kind: 'ended',
        atMs: 50,
        lease: 7,
        value: 2,
        id: 42,
        durationMs: 40,
        connectMs: 1.5,
        bytesFromClient: 5,
        bytesFromEndpoint: 9,
      },
    ])
    expect(reader.drain()).toEqual([])
  })

  it('keeps what nobody has read, counts what is lost, and goes on', () => {
    const ring = createStepRing()
    const [writer, reader] = [new StepWriter(ring), new StepReader(ring)]
    for (let n = 0; n < 5_000; n++) writer.write('began', n, 1, CLIENT, -1, 0)
    expect([reader.lost(), reader.lost()]).toEqual([5_000 - 4_096, 0])
    expect(reader.drain().map(({ atMs }) => atMs)).toEqual(Array.from({ length: 4_096 }, (_, n) => n))
    for (let n = 0; n < 10; n++) writer.write('began', 6_000 + n, 1, CLIENT, -1, 0)
    expect(reader.drain()[9]).toMatchObject({ atMs: 6_009 })
    expect(reader.lost()).toBe(0)
  })
})
