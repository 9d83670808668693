import type { Command } from 'commander'

/** Shells that complete command lines. */
export const SHELLS = ['bash', 'zsh', 'fish'] as const
export type Shell = (typeof SHELLS)[number]

/** A command as a shell has to know it. */
export interface CompletedCommand {
  readonly name: string
  readonly about: string
  readonly options: readonly CompletedOption[]
}

export interface CompletedOption {
  /** `--log-level`. */
  readonly flag: string
  readonly about: string
  /** Whether a value comes behind it. */
  readonly takesValue: boolean
  /** What it may be; empty: anything. */
  readonly choices: readonly string[]
  /** Whether it is a file or folder. */
  readonly isPath: boolean
}

/** What is shown of the commands of a program. */
export function completedCommands(program: Command): readonly CompletedCommand[] {
  return program.commands.map((command) => ({
    name: command.name(),
    about: command.description(),
    options: command.options
      .filter(({ hidden, long }) => !hidden && long)
      .map(({ long, description, required, argChoices, flags }) => ({
        flag: long as string,
        about: description,
        takesValue: required,
        choices: argChoices ?? choicesIn(description),
        isPath: /<(?:PATH|FILE|DIR|FOLDER)>/.test(flags),
      })),
  }))
}

/** Options of the table are parsed by our own code; what they may be stands behind what they do. */
function choicesIn(description: string): readonly string[] {
  const [, words] = /\(([a-z0-9]+(?:, [a-z0-9]+)+)(?:; [^)]*)?\)$/.exec(description) ?? []
  return words?.split(', ') ?? []
}
