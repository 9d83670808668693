import { createHash } from 'node:crypto'

const PATTERN_BYTES = 1 << 20
/** Long enough that a piece lost, doubled or moved is never the same bytes again by chance. */
const PATTERN = Buffer.alloc(PATTERN_BYTES)
for (let word = 0; word < PATTERN_BYTES; word += 4) PATTERN.writeUInt32LE(Math.imul(word + 1, 2654435761) >>> 0, word)

/** `length` bytes of the test pattern, from `offset` on; at most 1 MiB at a time, and never over its end. */
export function patternAt(offset: number, length: number): Buffer {
  const start = offset % PATTERN_BYTES
  return PATTERN.subarray(start, Math.min(start + length, PATTERN_BYTES))
}

/** Counts and hashes bytes as they come. */
export class Tally {
  bytes = 0
  readonly #hash = createHash('sha256')

  add(chunk: Uint8Array): void {
    this.bytes += chunk.length
    this.#hash.update(chunk)
  }

  /** Of what came so far. */
  get sha256(): string {
    return this.#hash.copy().digest('hex')
  }
}

/** What a {@link Tally} says after the first `bytes` bytes of the pattern. */
export function patternSha256(bytes: number): string {
  const tally = new Tally()
  while (tally.bytes < bytes) tally.add(patternAt(tally.bytes, bytes - tally.bytes))
  return tally.sha256
}
