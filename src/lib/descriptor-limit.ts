import { statSync } from 'node:fs'
import { type KernelFiles, kernelFiles } from './kernel-files.ts'

/** What Linux gives a process when nobody says otherwise. */
const FALLBACK = 1024

/** How many descriptors this process may hold. Node raises its own soft limit to the hard one at start. */
export function descriptorLimit(files: KernelFiles = kernelFiles()): number {
  const line = /^Max open files\s+(\S+)/m.exec(files.text('/proc/self/limits') ?? '')
  const limit = line?.[1] === 'unlimited' ? 2 ** 20 : Number(line?.[1])
  return Number.isFinite(limit) && limit > 0 ? Math.min(limit, 2 ** 20) : FALLBACK
}

/** Descriptors that this process has open; undefined: the system does not say (Linux before 6.2). */
export function openDescriptors(): number | undefined {
  try {
    return statSync('/proc/self/fd').size || undefined
  } catch {
    return undefined
  }
}
