import { type FileHandle, open, readFile, rename, stat, utimes } from 'node:fs/promises'
import type { ApiItem } from './api-item.ts'

/** What a copy on disk holds. */
export interface ClusterCopy {
  readonly items: readonly ApiItem[]
  /** When this was last known to hold, in milliseconds since 1970. */
  readonly knownAtMs: number
}

const KIND = 'portald.io/cluster-copy/v1'

/** Reads a copy; undefined where there is none, where it is not whole, or where `identity`, which says of which cluster and
 *  which part of it, is another. */
export async function readCopy(path: string, identity: string): Promise<ClusterCopy | undefined> {
  try {
    const [text, { mtimeMs }] = await Promise.all([readFile(path, 'utf8'), stat(path)])
    const [first = '', ...lines] = text.split('\n')
    const head = JSON.parse(first) as { kind?: unknown; identity?: unknown; items?: unknown }
    if (head.kind !== KIND || head.identity !== identity || head.items !== lines.length) return undefined
    return { items: lines.map((line) => JSON.parse(line) as ApiItem), knownAtMs: Math.round(mtimeMs) }
  } catch {
    return undefined
  }
}

/** Writes a copy: a whole one is there at any time, the last one or this one. For our own eyes.
 *  Rejects where the file cannot be written. */
export async function writeCopy(path: string, identity: string, items: readonly ApiItem[]): Promise<void> {
  const written = `${path}.new`
  let file: FileHandle | undefined
  try {
    file = await open(written, 'w', 0o600)
    const head = JSON.stringify({ kind: KIND, identity, items: items.length })
    await file.writeFile([head, ...items.map((item) => JSON.stringify(item))].join('\n'))
    await file.sync()
  } finally {
    await file?.close()
  }
  await rename(written, path)
}

/** Says that what a copy holds still does. */
export async function touchCopy(path: string, knownAtMs: number): Promise<void> {
  await utimes(path, knownAtMs / 1000, knownAtMs / 1000)
}
