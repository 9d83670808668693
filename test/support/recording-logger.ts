import type { LogEvent } from '../../src/observe/log-events.ts'
import type { LogFields, Logger } from '../../src/observe/logger.ts'

export interface LogLine {
  readonly level: 'debug' | 'info' | 'warn' | 'error'
  readonly event: LogEvent
  readonly message: string
  readonly fields: LogFields
}

export interface RecordingLogger extends Logger {
  readonly lines: LogLine[]
  /** Lines of one event, since the beginning. */
  of(event: LogEvent): LogLine[]
}

/** Remembers what it is told. */
export function createRecordingLogger(): RecordingLogger {
  const lines: LogLine[] = []
  const at =
    (level: LogLine['level']) =>
    (event: LogEvent, message: string, fields: LogFields = {}) =>
      void lines.push({ level, event, message, fields })
  const logger: RecordingLogger = {
    lines,
    of: (event) => lines.filter((line) => line.event === event),
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    child: () => logger,
  }
  return logger
}
