import { parseArgs } from 'node:util'
import type { Settings } from './scenarios/scenario.ts'

export interface Options extends Settings {
  /** Names, or first parts of names: `bulk` is every bulk scenario. Empty means all. */
  readonly scenarios: readonly string[]
  readonly subjects: readonly string[]
  readonly rounds: number
  readonly out: string | undefined
  readonly reverseOddRounds: boolean
  readonly baseline: { readonly tree: string; readonly label: string } | undefined
  readonly list: boolean
  readonly help: boolean
}

export const USAGE = `usage: node bench/run.ts [options] [SCENARIO...]

  --scenario NAME   which scenarios; a first part such as "udp" takes all of that kind (default: all)
  --subject NAME    which subjects (default: all); both may repeat or take commas
  --rounds N        rounds over all subjects, interleaved (default 5)
  --seconds N       length of one measured trial (default 5)
  --warmup N        seconds of the same load before it (default 4)
  --rate N          requests a second for half-load, mixed and reload (default: half of what HAProxy does; 2000)
  --out FILE        write FILE.json and FILE.md, into bench/results/ unless FILE has a folder
  --baseline DIR    another working tree of ours to compare with (see bench/compare.sh); --label NAME names it
  --reverse         run every second round in reverse order
  --list            show scenarios and subjects, and what is not installed
`

/** Wrong usage, with the sentence to show. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

function positive(name: string, text: string): number {
  const value = Number(text)
  if (!Number.isFinite(value) || value <= 0) throw new UsageError(`--${name}: "${text}" is not a number above 0`)
  return value
}

const split = (values: readonly string[]) => values.flatMap((value) => value.split(',')).filter((value) => value !== '')

export function parseOptions(argv: readonly string[]): Options {
  const list = { type: 'string', multiple: true, default: [] as string[] } as const
  const { values, positionals } = (() => {
    try {
      return parseArgs({
        args: [...argv],
        allowPositionals: true,
        options: {
          scenario: list,
          subject: list,
          rounds: { type: 'string', default: '5' },
          seconds: { type: 'string', default: '5' },
          warmup: { type: 'string', default: '4' },
          rate: { type: 'string' },
          out: { type: 'string' },
          baseline: { type: 'string' },
          label: { type: 'string', default: 'baseline' },
          reverse: { type: 'boolean', default: false },
          list: { type: 'boolean', default: false },
          help: { type: 'boolean', short: 'h', default: false },
        },
      })
    } catch (error) {
      throw new UsageError(error instanceof Error ? error.message : String(error))
    }
  })()
  return {
    scenarios: split([...values.scenario, ...positionals]),
    subjects: split(values.subject),
    rounds: Math.ceil(positive('rounds', values.rounds)),
    seconds: positive('seconds', values.seconds),
    warmupSeconds: positive('warmup', values.warmup),
    rate: values.rate === undefined ? undefined : positive('rate', values.rate),
    out: values.out,
    reverseOddRounds: values.reverse,
    baseline: values.baseline === undefined ? undefined : { tree: values.baseline, label: values.label },
    list: values.list,
    help: values.help,
  }
}

/** Those whose name is asked for, or begins with what is asked for and a dash; all where nothing is. */
export function selectNamed<T extends { readonly name: string }>(
  kind: string,
  all: readonly T[],
  wanted: readonly string[],
): T[] {
  if (wanted.length === 0) return [...all]
  const exact = (name: string) => all.some((item) => item.name === name)
  const matches = (name: string, want: string) => name === want || (!exact(want) && name.startsWith(`${want}-`))
  for (const want of wanted) {
    if (all.some(({ name }) => matches(name, want))) continue
    throw new UsageError(`no ${kind} "${want}"; there are ${all.map(({ name }) => name).join(', ')}`)
  }
  return all.filter(({ name }) => wanted.some((want) => matches(name, want)))
}
