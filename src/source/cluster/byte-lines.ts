/** Cuts a stream of bytes into lines. A chunk may end anywhere, also inside of a character. */
export interface ByteLines {
  /** The lines that end in this chunk, without their ends; empty ones are left out. Undefined: one is too long, and
   *  the stream is of no more use. */
  push(chunk: Uint8Array): readonly string[] | undefined
}

const NEWLINE = 10

/** Makes one. `mostBytes`: of one line. */
export function createByteLines(mostBytes: number): ByteLines {
  let begun: Uint8Array[] = []
  let begunBytes = 0
  return {
    push(chunk) {
      const lines: string[] = []
      let from = 0
      for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, from)) {
        begun.push(chunk.subarray(from, end))
        if (begunBytes + end - from > mostBytes) return undefined
        const line = Buffer.concat(begun).toString('utf8')
        if (line.trim() !== '') lines.push(line)
        begun = []
        begunBytes = 0
        from = end + 1
      }
      begun.push(chunk.subarray(from))
      begunBytes += chunk.length - from
      return begunBytes > mostBytes ? undefined : lines
    },
  }
}
