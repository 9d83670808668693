import { type Problem, showProblem } from '../model/problem.ts'
import type { Logger } from '../observe/logger.ts'

/** Says each problem and note once when it appears, and each problem once more when it is gone. */
export class ProblemLog {
  readonly #logger: Logger
  #problems = new Map<string, Problem>()
  #notes = new Set<string>()

  constructor(logger: Logger) {
    this.#logger = logger
  }

  update(problems: readonly Problem[], notes: readonly string[]): void {
    const now = new Map(problems.map((problem) => [identity(problem), problem]))
    for (const [id, problem] of now) {
      if (this.#problems.has(id)) continue
      const text = showProblem(problem)
      const fields = { key: problem.object || problem.place, code: problem.code }
      if (problem.severity === 'error') this.#logger.error('object.problem', text, fields)
      else this.#logger.warn('object.problem', text, fields)
    }
    for (const [id, problem] of this.#problems) {
      if (now.has(id)) continue
      const fields = { key: problem.object || problem.place, code: problem.code }
      this.#logger.info('object.resolved', showProblem(problem), fields)
    }
    for (const note of notes) if (!this.#notes.has(note)) this.#logger.info('object.note', note)
    this.#problems = now
    this.#notes = new Set(notes)
  }
}

/** What makes a problem the same one as before: everything but its line, which moves when text is put above it. */
function identity(problem: Problem): string {
  return showProblem({ ...problem, place: problem.place.replace(/:\d+(:\d+)?$/, '') })
}
