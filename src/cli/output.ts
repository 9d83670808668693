import { isErrno } from '../lib/errors.ts'

/** Where a command writes. Logs have their own way out; this is for what a person or a script asked to see. */
export interface Output {
  /** Writes a line, or several, to standard output. */
  out(text: string): void
  /** Writes a line, or several, to standard error. */
  err(text: string): void
}

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
