import { isErrno } from '../lib/errors.ts'

/** Where a command writes. Logs have their own way out; this is for what a person or a script asked to see. */
export interface Output {
  /** Writes a line, or several, to standard output. */
  out(text: string): void
  /** Writes a line, or several, to standard error. */
  err(text: string): void
  /** Whether standard output is a terminal. */
  readonly terminal: boolean
  /** Writes to the terminal as it is, control characters among it. */
  draw(text: string): void
  /** Columns that a table may have, and rows of the terminal. */
  readonly width: number
  readonly height: number
}

/** Where nobody says how wide it is. */
const USUAL_WIDTH = 80
const USUAL_HEIGHT = 24

/** The process's own standard output and error. A reader that went away, such as `head`, is not an error. */
export function openOutput(): Output {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error) => {
      if (!isErrno(error, 'EPIPE')) throw error
    })
  }
  return {
    out: (text) => void process.stdout.write(withLineFeed(text)),
    err: (text) => void process.stderr.write(withLineFeed(text)),
    terminal: process.stdout.isTTY === true,
    draw: (text) => void process.stdout.write(text),
    get width() {
      // Whoever reads it by program wants the names whole.
      return process.stdout.isTTY ? process.stdout.columns || USUAL_WIDTH : Number.POSITIVE_INFINITY
    },
    get height() {
      return process.stdout.rows || USUAL_HEIGHT
    },
  }
}

/** Ends the process once everything written so far is on its way. */
export function exitAfterOutput(exitCode: number): void {
  process.exitCode = exitCode
  process.stdout.write('', () => process.exit(exitCode))
}

function withLineFeed(text: string): string {
  return text.endsWith('\n') || text === '' ? text : `${text}\n`
}
