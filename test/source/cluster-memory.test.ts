import { describe, expect, it } from 'vitest'
import { createByteLines } from '../../src/source/cluster/byte-lines.ts'
import { createClusterMemory } from '../../src/source/cluster/cluster-memory.ts'
import type { ClusterPart } from '../../src/source/cluster/cluster-messages.ts'

const END = { synced: true, problems: [] }
const object = (key: string, digest = key) => ({ key, digest, text: JSON.stringify({ key, digest }) })
const part = (keys: readonly string[], removed: readonly string[] = [], end: ClusterPart['end'] = END): ClusterPart => ({
  kind: 'part',
  changed: keys.map((key) => object(key)),
  removed,
  end,
})

describe('what is known of a cluster', () => {
  it('changes with the last part of an update, not before', () => {
    const memory = createClusterMemory()
    expect(memory.take({ ...part(['a']), end: undefined })).toBeUndefined()
    expect(memory.objects()).toEqual([])
    expect(memory.take(part(['b']))).toBe(END)
    expect(memory.objects().map(({ value }) => value)).toEqual([
      { key: 'a', digest: 'a' },
      { key: 'b', digest: 'b' },
    ])
  })

  it('stays while another thread begins, and keeps what that one says the same', () => {
    const memory = createClusterMemory()
    memory.take(part(['a', 'b', 'c']))
    const [a, b, c] = memory.objects()
    memory.restarted()
    memory.take(part(['x'], [], { synced: false, problems: [] }))
    expect(memory.objects()).toEqual([a, b, c])
    memory.restarted()
    memory.take({ ...part([]), changed: [object('b', 'other'), object('a')] })
    const after = memory.objects()
    expect(after.map(({ value }) => value)).toEqual([
      { key: 'b', digest: 'other' },
      { key: 'a', digest: 'a' },
    ])
    expect(after[1]).toBe(a)
  })
})

describe('lines of bytes', () => {
  it('are the same whichever way the stream is cut', () => {
    const bytes = Buffer.from('{"é":"🐙"}\n\nzwei\n')
    for (let first = 0; first <= bytes.length; first++) {
      for (let second = first; second <= bytes.length; second++) {
        const lines = createByteLines(100)
        const pieces = [bytes.subarray(0, first), bytes.subarray(first, second), bytes.subarray(second)]
        expect(pieces.flatMap((piece) => lines.push(piece))).toEqual(['{"é":"🐙"}', 'zwei'])
      }
    }
  })

  it('end where one is too long, whether or not its end has come', () => {
    expect(createByteLines(5).push(Buffer.from('123456'))).toBeUndefined()
    expect(createByteLines(5).push(Buffer.from('123456\n'))).toBeUndefined()
    expect(createByteLines(5).push(Buffer.from('12345\n'))).toEqual(['12345'])
  })
})
