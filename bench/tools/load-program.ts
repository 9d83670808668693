import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { runTool } from '../child.ts'

const SOURCES = join(import.meta.dirname, '..', 'load')

/** Compiles `bench/load/NAME.c` once per version of its source and returns the program's path. */
export async function loadProgram(name: 'tcp-load' | 'udp-load'): Promise<string> {
  const source = join(SOURCES, `${name}.c`)
  const hash = createHash('sha256')
    .update(readFileSync(source))
    .update(readFileSync(join(SOURCES, 'histogram.h')))
  const directory = join(tmpdir(), `portald-bench-load-${process.getuid?.() ?? 0}`)
  const program = join(directory, `${name}-${hash.digest('hex').slice(0, 12)}`)
  if (existsSync(program)) return program
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  const unfinished = `${program}.${process.pid}`
  const { code, stderr } = await runTool(['gcc', '-O2', '-o', unfinished, source], undefined, 60_000)
  if (code !== 0) throw new Error(`gcc ${source}: ${stderr.trim()}`)
  renameSync(unfinished, program)
  return program
}

/** Runs a load program to its end; its last line is its result. */
export async function runLoad(
  command: readonly string[],
  cores: string | undefined,
  seconds: number,
): Promise<Readonly<Record<string, number>>> {
  const { stdout, stderr, code } = await runTool(command, cores, seconds * 1000 + 15_000)
  if (code !== 0) throw new Error(`${command.slice(1, 3).join(' ')}: exit ${code}: ${stderr.trim()}`)
  return JSON.parse(stdout.trim().split('\n').at(-1) ?? '{}')
}
