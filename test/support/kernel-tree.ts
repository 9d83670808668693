import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { makeTemporaryFolder } from './temporary-folder.ts'

/** A made-up `/proc`, `/sys` and `/lib/modules`. */
export interface KernelTree extends Disposable {
  readonly root: string
  /** Writes a file, or removes it where there is no text. */
  set(path: string, text: string | undefined): void
}

/** Makes one with these files, by their absolute paths. */
export function makeKernelTree(files: Readonly<Record<string, string>>): KernelTree {
  const folder = makeTemporaryFolder()
  function set(path: string, text: string | undefined): void {
    const place = join(folder.path, path)
    rmSync(place, { force: true })
    if (text === undefined) return
    mkdirSync(dirname(place), { recursive: true })
    writeFileSync(place, text)
  }
  for (const [path, text] of Object.entries(files)) set(path, text)
  return { root: folder.path, set, [Symbol.dispose]: () => folder[Symbol.dispose]() }
}
