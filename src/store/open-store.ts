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

/** Opens the objects of a folder. Where there are none, nothing is made and no thread is started before the first one comes.
 *  @throws ProxyError E_STORE when there are some, and they cannot be had. */
export async function openObjectStore({ folder, clock }: OpenStoreOptions): Promise<OpenedStore> {
  const path = join(folder, FILE)
  // Whatever becomes of the file: numbers that begin with the time never go back, as long as there are fewer than 1,000
  // changes a second all along.
  const firstVersion = Math.floor(clock.wall())
  const journal = openSqliteJournal({ path, firstVersion })
  if (!existsSync(path)) return { store: new JournaledStore({ journal, firstVersion }), damage: undefined }
  try {
    const { content, damage } = await journal.load()
    return { store: new JournaledStore({ journal, content }), damage }
  } catch (error) {
    await journal[Symbol.asyncDispose]()
    throw error
  }
}
