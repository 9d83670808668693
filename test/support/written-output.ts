import type { Output } from '../../src/cli/output.ts'

/** An output that keeps what is written: no terminal unless `width` is given, which then has so many columns. */
export interface WrittenOutput extends Output {
  readonly written: { out: string; err: string; drawn: string }
}

export function createWrittenOutput(width?: number): WrittenOutput {
  const written = { out: '', err: '', drawn: '' }
  const line = (text: string) => (text === '' || text.endsWith('\n') ? text : `${text}\n`)
  return {
    written,
    out: (text) => {
      written.out += line(text)
    },
    err: (text) => {
      written.err += line(text)
    },
    draw: (text) => {
      written.drawn += text
    },
    terminal: width !== undefined,
    width: width ?? Number.POSITIVE_INFINITY,
    height: 24,
  }
}
