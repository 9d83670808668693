import type { BigIntStats } from 'node:fs'
import { readdir, readlink, realpath, stat } from 'node:fs/promises'
import { isErrno } from '../lib/errors.ts'
import type { Problem } from '../model/problem.ts'
import { identityOf } from './file-identity.ts'
import { fileProblem, unreadable } from './file-problem.ts'

/** One file as it stood at a glance. */
export interface Entry {
  /** The path as the user gave it, or that and the name inside it. */
  readonly place: string
  /** The same with every symlink followed. */
  readonly path: string
  readonly identity: string
  readonly inode: bigint
  readonly sizeBytes: bigint
  /** When it was last written, renamed or made readable, in milliseconds since 1970. */
  readonly changedMs: number
  /** Why there is nothing to read. */
  readonly problem: Problem | undefined
}

/** A `--file` path as it stood at a glance: what is there, not what is in it. */
export interface Look {
  /** Which file or folder the path leads to. */
  readonly root: string
  readonly folder: boolean
  /** The folder is one that is only ever replaced whole: what `..data` points to in a mounted ConfigMap. */
  readonly atomic: boolean
  /** By place, in the order of their names. */
  readonly entries: ReadonlyMap<string, Entry>
}

/** A look, or why there is nothing to see. */
export type LookResult = { readonly look: Look; readonly problem?: never } | { readonly problem: Problem; readonly look?: never }

/** The names that are read in a folder. Hidden files and what editors leave (`~`, `.swp`, `.tmp`, `.bak`) are not. */
const READ_NAME = /^[^.].*\.(?:ya?ml|json)$/s

/** Kubelet swaps this symlink to change all files of a mounted ConfigMap at once. */
const DATA_LINK = '..data'

/** How often a folder is looked into again because something in it went away meanwhile. */
const SWAP_TRIES = 20

/** Looks at a path and, if it is a folder, at the files in it. */
export async function lookAt(path: string): Promise<LookResult> {
  try {
    const real = await realpath(path)
    const stats = await stat(real, { bigint: true })
    if (stats.isDirectory()) return { look: await lookIntoSwapping(path, real, stats) }
    if (!stats.isFile()) return { problem: fileProblem('error', 'not-a-file', path, 'neither a file nor a folder') }
    const entry = await entryAt(path, real)
    return { look: { root: real, folder: false, atomic: false, entries: new Map([[path, entry]]) } }
  } catch (error) {
    return { problem: missingOrUnreadable(path, error) }
  }
}

/** Whether a path still leads where it led when it was looked at. */
export async function leadsTo(path: string, look: Look): Promise<boolean> {
  if (!look.folder) return true
  const again = await rootOf(path).catch(() => undefined)
  return again?.root === look.root
}

/** What a swap takes away under our eyes is no news; what stays away is. */
async function lookIntoSwapping(path: string, real: string, stats: BigIntStats): Promise<Look> {
  for (let tries = 1; ; tries++) {
    try {
      return await lookInto(path, real, stats)
    } catch (error) {
      if (tries === SWAP_TRIES || !isErrno(error, 'ENOENT')) throw error
    }
  }
}

async function lookInto(path: string, real: string, stats: BigIntStats): Promise<Look> {
  const { root, data } = await rootOf(path, real, stats)
  const paths = new Map<string, string>()
  for (const found of await readdir(real, { withFileTypes: true })) {
    if (!READ_NAME.test(found.name)) continue
    const full = `${real}/${found.name}`
    if (data !== undefined && found.isSymbolicLink() && (await readlink(full)).startsWith(`${DATA_LINK}/`)) continue
    paths.set(found.name, full)
  }
  // The links in the folder itself change after the swap, one by one; only the folder behind `..data` is whole.
  const inData = data === undefined ? [] : await readdir(data, { withFileTypes: true })
  for (const found of inData) if (READ_NAME.test(found.name)) paths.set(found.name, `${data}/${found.name}`)

  const folder = path.replace(/\/+$/, '')
  const names = [...paths.keys()].sort((a, b) => (a < b ? -1 : 1))
  const entries = await Promise.all(names.map((name) => entryAt(`${folder}/${name}`, paths.get(name) ?? '')))
  const atomic = data !== undefined && [...paths.values()].every((it) => it.startsWith(`${data}/`))
  return { root, folder: true, atomic, entries: new Map(entries.map((entry) => [entry.place, entry])) }
}

async function rootOf(path: string, real?: string, stats?: BigIntStats): Promise<{ root: string; data: string | undefined }> {
  const folder = real ?? (await realpath(path))
  const { dev, ino, birthtimeNs } = stats ?? (await stat(folder, { bigint: true }))
  const link = await readlink(`${folder}/${DATA_LINK}`).catch(() => undefined)
  const data = link === undefined ? undefined : await realpath(`${folder}/${DATA_LINK}`)
  // The time of birth, because a folder that is removed and made again often gets the same inode.
  return { root: [folder, dev, ino, birthtimeNs, data].join(':'), data }
}

async function entryAt(place: string, path: string): Promise<Entry> {
  try {
    const followed = await realpath(path)
    const stats = await stat(followed, { bigint: true })
    const message = stats.isDirectory() ? 'a folder, not a file; folders are not searched deeper' : 'not a regular file'
    const problem = stats.isFile() ? undefined : fileProblem('error', 'not-a-file', place, message)
    return {
      place,
      path: followed,
      identity: identityOf(stats),
      inode: stats.ino,
      sizeBytes: stats.size,
      changedMs: Number(stats.ctimeMs),
      problem,
    }
  } catch (error) {
    return {
      place,
      path,
      identity: '',
      inode: 0n,
      sizeBytes: 0n,
      changedMs: Number.POSITIVE_INFINITY,
      problem: missingOrUnreadable(place, error),
    }
  }
}

function missingOrUnreadable(place: string, error: unknown): Problem {
  return isErrno(error, 'ENOENT')
    ? fileProblem('error', 'file-missing', place, 'no such file or folder')
    : unreadable(place, error)
}
