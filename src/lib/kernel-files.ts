import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** What the kernel tells in files under `/proc` and `/sys`, and what is installed for it. */
export interface KernelFiles {
  /** The text of a file, or undefined where it is not there or may not be read. */
  text(path: string): string | undefined
  has(path: string): boolean
}

/** Files below a root: the machine's own, or a made-up tree. Paths are absolute, as on the machine. */
export function kernelFiles(root = '/'): KernelFiles {
  return {
    text(path) {
      try {
        return readFileSync(join(root, path), 'latin1')
      } catch {
        return undefined
      }
    },
    has: (path) => existsSync(join(root, path)),
  }
}
