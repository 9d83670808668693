import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Clock } from '../lib/clock.ts'
import { JournaledStore } from './object-store.ts'
import type { Damage } from './sqlite-file.ts'
import { openSqliteJournal } from './sqlite-journal.ts'
import type { ObjectStore } from './store.ts'

export interface OpenStoreOptions {
  /** Made with the first object. */
  readonly folder: string
  readonly clock: Clock
}

export interface OpenedStore {
  readonly store: ObjectStore
  /** What was there instead and could not be read, if anything. */
  readonly damage: Damage | undefined
}

const FILE = 'objects.db'

/** Where resourceVersions begin that are larger than all that were ever given, whatever became of the file: the time, in
 *  microseconds. No process makes a million changes a second for as long as it lives. */
export function versionNow(clock: Clock): number {
  return Math.floor(clock.wall() * 1000)
}

/** Opens the objects of a folder. Where there are none, nothing is made and no thread is started before the first one comes.
 *  @throws ProxyError E_STORE when there are some, and they cannot be had. */
export async function openObjectStore({ folder, clock }: OpenStoreOptions): Promise<OpenedStore> {
  const path = join(folder, FILE)
  const firstVersion = versionNow(clock)
  const journal = openSqliteJournal({ path, firstVersion })
  if (!existsSync(path)) return { store: new JournaledStore({ journal, firstVersion }), damage: undefined }
  try {
    const { content, damage } = await journal.load()
    return { store: new JournaledStore({ journal, content, firstVersion }), damage }
  } catch (error) {
    await journal[Symbol.asyncDispose]()
    throw error
  }
}
