import { closeSync, existsSync, mkdirSync, openSync, renameSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { messageOf, ProxyError } from '../lib/errors.ts'
import type { JournalBatch, JournalContent, JournalObject } from './journal.ts'

/** `prtl`: so that tools can tell whose file it is. */
const APPLICATION_ID = 0x7072746c
/** Of the tables below; a file with a later one was written by a later version of this program. */
const SCHEMA_VERSION = 1
const SCHEMA = `
  CREATE TABLE objects (
    kind TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL,
    version INTEGER NOT NULL, json TEXT NOT NULL, aside TEXT NOT NULL,
    PRIMARY KEY (kind, namespace, name)
  ) STRICT;
  CREATE TABLE state (one INTEGER NOT NULL PRIMARY KEY CHECK (one = 1), version INTEGER NOT NULL) STRICT;
`

type Row = Readonly<Record<string, unknown>>

interface Opened {
  readonly database: DatabaseSync
  readonly content: JournalContent
}

interface Statements {
  readonly put: StatementSync
  readonly remove: StatementSync
  readonly state: StatementSync
}

/** A file that was damaged, and where it was moved. */
export interface Damage {
  readonly reason: string
  readonly movedTo: string
}

/** Objects in a file of SQLite's. Synchronous: for a thread of its own. */
export class SqliteFile implements Disposable {
  /** What was there instead, if it could not be used. */
  readonly damage: Damage | undefined
  readonly #path: string
  readonly #inode: string
  readonly #database: DatabaseSync
  readonly #statements: Statements
  #content: JournalContent | undefined

  private constructor(path: string, { database, content }: Opened, damage: Damage | undefined) {
    this.#path = path
    this.#inode = inodeOf(path)
    this.#database = database
    this.#content = content
    this.damage = damage
    this.#statements = {
      put: database.prepare(
        `INSERT INTO objects VALUES (:kind, :namespace, :name, :version, :json, :aside)
         ON CONFLICT DO UPDATE SET version = :version, json = :json, aside = :aside`,
      ),
      remove: database.prepare('DELETE FROM objects WHERE kind = :kind AND namespace = :namespace AND name = :name'),
      state: database.prepare('UPDATE state SET version = ?'),
    }
  }

  /** Opens it; makes it and its folder if they are not there, readable for nobody else. One that is damaged is moved aside.
   *  A new one begins with `firstVersion`.
   *  @throws ProxyError E_STORE when it cannot be had: no right, no space, another process has it, or of a later version. */
  static open(path: string, firstVersion: number, wallMs: number): SqliteFile {
    try {
      return new SqliteFile(path, openChecked(path, firstVersion), undefined)
    } catch (error) {
      if (!isDamage(error)) throw storeError(path, error)
      const movedTo = moveAside(path, wallMs)
      return new SqliteFile(path, openChecked(path, firstVersion), { reason: messageOf(error), movedTo })
    }
  }

  /** All that is in it, to be asked for once. */
  takeContent(): JournalContent {
    const content = this.#content ?? readContent(this.#database)
    this.#content = undefined
    return content
  }

  /** Of the newest batch in it. */
  get version(): number {
    return Number((this.#database.prepare('SELECT version FROM state').get() as Row)['version'])
  }

  /** Writes all of it or nothing; what it returns from survives the machine.
   *  @throws Error of SQLite, when nothing was written. */
  commit({ version, afterVersion, entries }: JournalBatch): void {
    const { put, remove, state } = this.#statements
    this.#checkOurs(afterVersion)
    this.#database.exec('BEGIN IMMEDIATE')
    try {
      for (const entry of entries) {
        const { key, json } = entry
        if (json === undefined) remove.run({ ...key })
        else put.run({ ...key, version: entry.resourceVersion, json, aside: entry.aside })
      }
      state.run(version)
      this.#database.exec('COMMIT')
    } catch (error) {
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK')
      throw error
    }
  }

  [Symbol.dispose](): void {
    this.#database.close()
  }

  /** What is written to a file that was removed is lost, and what follows on something else is not what was asked for. */
  #checkOurs(afterVersion: number): void {
    if (inodeOf(this.#path) !== this.#inode) {
      throw new ProxyError('E_STORE', 'system', `${this.#path}: was removed or replaced: restart, and import what is missing`)
    }
    if (this.version !== afterVersion) {
      throw new ProxyError('E_STORE', 'system', `${this.#path}: another process has written to it: restart`)
    }
  }
}

/** Empty: there is none. */
function inodeOf(path: string): string {
  const found = statSync(path, { bigint: true, throwIfNoEntry: false })
  return found ? `${found.dev}:${found.ino}` : ''
}

function openChecked(path: string, firstVersion: number): Opened {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  // SQLite would make it readable for others; what it puts beside it has the same mode.
  closeSync(openSync(path, 'a', 0o600))
  const database = new DatabaseSync(path)
  try {
    database.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL')
    const [check] = database.prepare('PRAGMA quick_check(1)').all() as Row[]
    if (check?.['quick_check'] !== 'ok') throw damaged(String(check?.['quick_check']))
    const version = Number((database.prepare('PRAGMA user_version').get() as Row)['user_version'])
    if (version > SCHEMA_VERSION) {
      throw new ProxyError(
        'E_STORE',
        'config',
        `${path}: was written by a later version of portald: use that one, or another --state-dir`,
      )
    }
    if (version === 0) makeTables(database, firstVersion)
    return { database, content: readContent(database) }
  } catch (error) {
    database.close()
    throw error
  }
}

function makeTables(database: DatabaseSync, firstVersion: number): void {
  database.exec(`BEGIN IMMEDIATE; ${SCHEMA}`)
  database.prepare('INSERT INTO state VALUES (1, ?)').run(firstVersion)
  database.exec(`PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${SCHEMA_VERSION}; COMMIT`)
}

function readContent(database: DatabaseSync): JournalContent {
  const state = database.prepare('SELECT version FROM state').get() as Row | undefined
  if (!state) throw damaged('it does not say how far it got')
  const objects = (database.prepare('SELECT * FROM objects').all() as Row[]).map(objectOf)
  return { version: Number(state['version']), objects }
}

function objectOf(row: Row): JournalObject {
  const [json, aside] = [String(row['json']), String(row['aside'])]
  try {
    JSON.parse(json)
    if (aside !== '') JSON.parse(aside)
  } catch (error) {
    throw damaged(`${row['kind']} ${row['namespace']}/${row['name']} is not readable: ${messageOf(error)}`)
  }
  const key = { kind: String(row['kind']), namespace: String(row['namespace']), name: String(row['name']) }
  return { key, resourceVersion: Number(row['version']), json, aside }
}

const DAMAGED = 'damaged: '

function damaged(reason: string): ProxyError {
  return new ProxyError('E_STORE', 'system', `${DAMAGED}${reason}`)
}

/** SQLite's numbers for a malformed image and for a file that is no database. */
const SQLITE_CORRUPT = 11
const SQLITE_NOTADB = 26
const SQLITE_BUSY = 5
/** SQLite's own mark of a table that is not there: it is a database, but none of ours. */
const SQLITE_ERROR = 1

function isDamage(error: unknown): boolean {
  if (error instanceof ProxyError) return error.message.startsWith(DAMAGED)
  const code = sqliteCode(error)
  return code === SQLITE_CORRUPT || code === SQLITE_NOTADB || code === SQLITE_ERROR
}

/** The primary result code of an error of SQLite's. */
function sqliteCode(error: unknown): number | undefined {
  const code = (error as { readonly errcode?: unknown }).errcode
  return typeof code === 'number' ? code & 0xff : undefined
}

function storeError(path: string, error: unknown): ProxyError {
  if (error instanceof ProxyError) return error
  if (sqliteCode(error) === SQLITE_BUSY) {
    return new ProxyError('E_STORE', 'config', `${path}: another process has it: give one of the two another --state-dir`, error)
  }
  return new ProxyError(
    'E_STORE',
    'config',
    `${path}: cannot be opened: ${messageOf(error)}; give a --state-dir that this user can write to`,
    error,
  )
}

/** Moves the file, and what SQLite keeps beside it, to where nothing is. */
function moveAside(path: string, wallMs: number): string {
  const stamp = new Date(wallMs).toISOString().replace(/[:.]/g, '-')
  const movedTo = `${path}.damaged-${stamp}`
  for (const suffix of ['', '-wal', '-shm']) {
    if (existsSync(path + suffix)) renameSync(path + suffix, movedTo + suffix)
  }
  return movedTo
}
