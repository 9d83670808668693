import { describe, expect, it } from 'vitest'
import type { Problem } from '../../src/model/problem.ts'
import { ProblemLog } from '../../src/runtime/problem-log.ts'
import { createRecordingLogger } from '../support/recording-logger.ts'

function aProblem(object: string, rest: Partial<Problem> = {}): Problem {
  return { severity: 'error', code: 'bad', place: 'a.yaml:1', object, field: '', value: '', message: 'must be good', ...rest }
}

function createWorld() {
  const logger = createRecordingLogger()
  const log = new ProblemLog(logger)
  return {
    log,
    lines: () => logger.lines.splice(0).map(({ level, event, message }) => `${level} ${event} ${message}`),
    keys: () => logger.lines.splice(0).map(({ fields }) => fields.key),
  }
}

describe('problem log', () => {
  it('says a problem once, and once more when it is gone', () => {
    const { log, lines } = createWorld()
    const problem = aProblem('Service default/web')
    log.update([problem], [])
    log.update([{ ...problem }], [])
    expect(lines()).toEqual(['error object.problem a.yaml:1: error: Service default/web: must be good'])
    log.update([], [])
    log.update([], [])
    expect(lines()).toEqual(['info object.resolved a.yaml:1: error: Service default/web: must be good'])
    log.update([problem], [])
    expect(lines()).toHaveLength(1)
  })

  it('says an error and a warning as what they are', () => {
    const { log, lines } = createWorld()
    log.update([aProblem('a'), aProblem('b', { severity: 'warning' })], [])
    expect(lines().map((line) => line.split(' ')[0])).toEqual(['error', 'warn'])
  })

  it('names the object, or the file where there is none', () => {
    const { log, keys } = createWorld()
    log.update([aProblem('Service default/web'), aProblem('', { place: 'b.yaml' })], [])
    expect(keys()).toEqual(['Service default/web', 'b.yaml'])
  })

  it('says the same thing about two objects twice, and twice about one object once', () => {
    const { log, lines } = createWorld()
    log.update([aProblem('a'), aProblem('b'), aProblem('a')], [])
    expect(lines()).toHaveLength(2)
  })

  it('says a note once while it holds', () => {
    const { log, lines } = createWorld()
    log.update([], ['ignored: kind Pod (1 object)'])
    log.update([], ['ignored: kind Pod (1 object)', 'ignored: kind Secret (1 object)'])
    log.update([], [])
    expect(lines()).toEqual(['info object.note ignored: kind Pod (1 object)', 'info object.note ignored: kind Secret (1 object)'])
  })
})
