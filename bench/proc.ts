import { readdirSync, readFileSync } from 'node:fs'

/** What /proc says about processes and cores. Everything about a process that has gone is zero or empty. */

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

function list(path: string): string[] {
  try {
    return readdirSync(path)
  } catch {
    return []
  }
}

/** The process and all its descendants. */
export function processTree(pid: number): number[] {
  const children = list(`/proc/${pid}/task`).flatMap((thread) => read(`/proc/${pid}/task/${thread}/children`).trim().split(' '))
  return [pid, ...children.filter((child) => child !== '').flatMap((child) => processTree(Number(child)))]
}

const TICK_NS = 10_000_000

/** User and system time from the text of /proc/PID/stat, threads that have ended included; in steps of 10 ms. */
export function parseStatCpuNs(stat: string): { readonly userNs: number; readonly systemNs: number } {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return { userNs: Number(fields[11] ?? 0) * TICK_NS, systemNs: Number(fields[12] ?? 0) * TICK_NS }
}

/** CPU time of one process, all threads, in nanoseconds. schedstat is exact but forgets threads that have ended; stat
 *  remembers them but is rounded down: the larger of the two is the truth to within a tick. */
function processCpuNs(pid: number): number {
  let exact = 0
  for (const thread of list(`/proc/${pid}/task`))
    exact += Number(read(`/proc/${pid}/task/${thread}/schedstat`).split(' ')[0] ?? 0)
  const { userNs, systemNs } = parseStatCpuNs(read(`/proc/${pid}/stat`))
  return Math.max(exact, userNs + systemNs)
}

export interface CpuSample {
  readonly cpuNs: number
  readonly userNs: number
  readonly systemNs: number
}

/** CPU time of whole process trees. */
export function sampleCpu(pids: readonly number[]): CpuSample {
  let [cpuNs, userNs, systemNs] = [0, 0, 0]
  for (const pid of pids.flatMap(processTree)) {
    const ticks = parseStatCpuNs(read(`/proc/${pid}/stat`))
    cpuNs += processCpuNs(pid)
    userNs += ticks.userNs
    systemNs += ticks.systemNs
  }
  return { cpuNs, userNs, systemNs }
}

/** Resident memory of whole process trees, in bytes. */
export function residentBytes(pids: readonly number[]): number {
  let kib = 0
  for (const pid of pids.flatMap(processTree)) kib += Number(/^VmRSS:\s+(\d+)/m.exec(read(`/proc/${pid}/status`))?.[1] ?? 0)
  return kib * 1024
}

/** Busy and stolen time of the given cores from the text of /proc/stat, in nanoseconds. */
export function parseCoresNs(stat: string, cores: readonly number[]): { readonly busyNs: number; readonly stolenNs: number } {
  let [busyNs, stolenNs] = [0, 0]
  for (const core of cores) {
    const line = new RegExp(`^cpu${core} (.*)$`, 'm').exec(stat)?.[1]
    if (line === undefined) continue
    const [user = 0, nice = 0, system = 0, , , interrupt = 0, softInterrupt = 0, stolen = 0] = line.split(' ').map(Number)
    busyNs += (user + nice + system + interrupt + softInterrupt) * TICK_NS
    stolenNs += stolen * TICK_NS
  }
  return { busyNs, stolenNs }
}

export function sampleCores(cores: readonly number[]): { readonly busyNs: number; readonly stolenNs: number } {
  return parseCoresNs(read('/proc/stat'), cores)
}
