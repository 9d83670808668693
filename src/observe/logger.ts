import { createRequire } from 'node:module'
import { isatty } from 'node:tty'
import { type Logger as PinoLogger, pino, stdTimeFunctions } from 'pino'
import { type Clock, systemClock } from '../lib/clock.ts'
import { errnoOf, messageOf } from '../lib/errors.ts'
import { LOG_LEVELS, type LogLevel } from '../model/log-level.ts'
import type { LogEvent } from './log-events.ts'
import { createLogStream } from './log-stream.ts'
import { openStandardFd } from './standard-fd.ts'

export { LOG_LEVELS, type LogLevel } from '../model/log-level.ts'

/** What a line carries besides its event and message; names are the vocabulary of the documentation. */
export interface LogFields {
  /** The subject: `TCP/10.96.0.10:80`, `default/web`, a source's name. Lines that repeat are recognised by it. */
  readonly key?: string
  /** What was caught; shown as its message and code, with the stack only when it looks like a fault of ours. */
  readonly error?: unknown
  readonly [field: string]: unknown
}

/** Writes one line per call. The message is the event in words; whatever varies belongs into the fields. */
export interface Logger {
  /** Per session. */
  debug(event: LogEvent, message: string, fields?: LogFields): void
  /** Something an operator did or would like to know changed. */
  info(event: LogEvent, message: string, fields?: LogFields): void
  /** Handled, but degraded. */
  warn(event: LogEvent, message: string, fields?: LogFields): void
  /** A person must act. */
  error(event: LogEvent, message: string, fields?: LogFields): void
  /** A logger whose lines also carry these fields. */
  child(bindings: { readonly component: string }): Logger
}

/** How much a log says; may change while it is written. */
export interface LogLevelControl {
  level: LogLevel
}

/** A log with its level, which also goes for its children. */
export interface LeveledLogger extends Logger, LogLevelControl {}

/** Says nothing. */
export const silentLogger: Logger = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  child: () => silentLogger,
}

/** Where lines go, each with its line feed. */
export interface LogStream {
  write(line: string): void
}

export interface LoggerOptions {
  readonly level: LogLevel
  /** Left out: stderr, written at once but never waited for. */
  readonly stream?: LogStream
  /** For people instead of machines. Left out: if stderr is a terminal and no stream is given. */
  readonly pretty?: boolean
  readonly clock?: Clock
}

/** Makes the process's logger: JSON lines, or coloured ones on a terminal. */
export function createLogger({ level, stream, pretty, clock = systemClock }: LoggerOptions): LeveledLogger {
  const onCaughtUp = (lost: number) => logger.warn('log.lost', 'lines of this log were lost', { lost })
  const lines = stream ?? createLogStream({ fd: openStandardFd(2), clock, onCaughtUp })
  const options = {
    level: MOST_SAID,
    base: { pid: process.pid },
    timestamp: stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
  }
  const forPeople = pretty ?? (stream === undefined && isatty(2))
  const sink = forPeople ? prettyStream(lines, stream === undefined && isatty(2)) : lines
  const logger = new PinoBacked(pino(options, sink), { level })
  return logger
}

const [MOST_SAID] = LOG_LEVELS

class PinoBacked implements LeveledLogger {
  readonly #pino: PinoLogger
  /** Shared with its children: pino's own would keep the level that they began with. */
  readonly #control: LogLevelControl

  constructor(inner: PinoLogger, control: LogLevelControl) {
    this.#pino = inner
    this.#control = control
  }

  get level(): LogLevel {
    return this.#control.level
  }

  set level(level: LogLevel) {
    this.#control.level = level
  }

  debug(event: LogEvent, message: string, fields?: LogFields): void {
    this.#say('debug', event, message, fields)
  }

  info(event: LogEvent, message: string, fields?: LogFields): void {
    this.#say('info', event, message, fields)
  }

  warn(event: LogEvent, message: string, fields?: LogFields): void {
    this.#say('warn', event, message, fields)
  }

  error(event: LogEvent, message: string, fields?: LogFields): void {
    this.#say('error', event, message, fields)
  }

  child(bindings: { readonly component: string }): Logger {
    return new PinoBacked(this.#pino.child(bindings), this.#control)
  }

  #say(level: Exclude<LogLevel, 'silent'>, event: LogEvent, message: string, fields: LogFields | undefined): void {
    if (LOG_LEVELS.indexOf(level) < LOG_LEVELS.indexOf(this.#control.level)) return
    this.#pino[level](line(event, fields), message)
  }
}

function line(event: LogEvent, fields: LogFields | undefined): object {
  if (fields?.error === undefined) return { event, ...fields }
  const code = errnoOf(fields.error)
  // Whatever has another code was foreseen by someone, and its stack tells an operator nothing.
  const ours = code === undefined || code === 'E_INTERNAL'
  const stack = ours && fields.error instanceof Error ? fields.error.stack : undefined
  return { event, ...fields, error: messageOf(fields.error), code: fields['code'] ?? code, stack }
}

function prettyStream(lines: LogStream, colorize: boolean): LogStream {
  // Loaded here and not above: without a terminal nobody needs it. Not used as a stream of its own: that one is
  // asynchronous, and the last lines before an exit would be missing.
  const { prettyFactory } = createRequire(import.meta.url)('pino-pretty') as typeof import('pino-pretty')
  const show = prettyFactory({
    colorize: colorize && !process.env['NO_COLOR'],
    singleLine: true,
    errorLikeObjectKeys: [],
    translateTime: 'SYS:HH:MM:ss.l',
    ignore: 'pid,component,event',
    messageFormat: '{if component}{component}: {end}{msg}',
  })
  return { write: (line) => lines.write(show(line)) }
}
