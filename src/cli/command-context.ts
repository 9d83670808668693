import { type Problem, showProblem } from '../model/problem.ts'
import type { Output } from './output.ts'

/** What every command is given. */
export interface CommandContext {
  readonly variables: Readonly<Record<string, string | undefined>>
  readonly output: Output
}

/** Done; a problem was found, or the second signal came; wrong usage. */
export const EXIT = { done: 0, problem: 1, usage: 2 } as const

/** Says what is wrong with how the command was called; returns the exit code for it. */
export function refuseUsage(command: string, problems: readonly Problem[], { output }: CommandContext): number {
  output.err(problems.map(showProblem).join('\n'))
  output.err(`run "portald ${command} --help" for what it takes`)
  return EXIT.usage
}

/** A problem with how a command was called, without a place of its own. */
export function usageProblem(place: string, message: string): Problem {
  return { severity: 'error', code: 'usage', place, object: '', field: '', value: '', message }
}
