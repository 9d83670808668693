import { ProxyError } from '../lib/errors.ts'
import type { ClientAddress } from '../model/session.ts'
import { CLIENT_ENTRY_BYTES, CLIENT_TABLE_HEADER_BYTES } from '../model/shared-layout.ts'

/** Entries in one bucket; a key may also stand in the neighbouring bucket. */
const WAYS = 16
/** A bucket is the states of all its entries, which fit one cache line, and then the bodies of the entries: a look-up
 *  reads one line to know where to look and one or two to know what it found. A state is 0 while the entry is free, else
 *  the key's fingerprint. An entry is named by where its state stands. */
const BUCKET_WORDS = (WAYS * CLIENT_ENTRY_BYTES) / 4
const BODY_WORDS = CLIENT_ENTRY_BYTES / 4 - 1
/** Words of a body. VALUE is 0 until the entry is published. */
const VALUE = 0
const USED_MS = 1
const SERVICE = 2
const ADDRESS = 3

/** Where the body of an entry begins. */
function bodyOf(entry: number): number {
  return (entry & -BUCKET_WORDS) + WAYS + (entry & (BUCKET_WORDS - 1)) * BODY_WORDS
}

/** Words of the header. */
const EVICTIONS = 0
/** Not 0 once anything ever stood in the table: one that never was used is not walked through. */
const IN_USE = 1

/** An entry is claimed but not yet published for well under a microsecond, unless its thread was put to sleep in
 *  between: look again this often, then once a millisecond. One that stays open longer belongs to a thread that died. */
const SPIN_ROUNDS = 1_000
const PATIENCE_MS = 200

/** Entries that give way to a newcomer whatever their value. */
export const ANY_VALUE = 0
/** What `locate` and `claim` say when there is no entry. */
export const NO_ENTRY = -1
/** A claim that gave way, or found every entry taken under its hands, is worth so many tries in all. */
export const CLAIM_TRIES = 4

function mix(hash: number, word: number): number {
  let mixed = Math.imul(hash ^ word, 0x9e3779b1)
  mixed ^= mixed >>> 15
  return Math.imul(mixed, 0x85ebca6b) ^ (mixed >>> 13)
}

/** A bounded table of clients by Service port, each with one value other than 0, in shared memory, without locks.
 *
 *  A bucketed hash table. A thread claims a free entry by putting the key's fingerprint into its state with one
 *  compare-and-swap, writes the key, looks whether another thread claimed the same key meanwhile, and publishes by
 *  storing the value. Of two open claims for one key the later entry gives way; a published one always stands. So
 *  a client never has two entries. In a full bucket the longest unused entry that may be evicted makes room. */
export class ClientEntries {
  readonly #header: Int32Array<SharedArrayBuffer>
  readonly #words: Int32Array<SharedArrayBuffer>
  readonly #buckets: number
  readonly #evictable: number

  /** `evictable`: the value of entries that may give way to others, or {@link ANY_VALUE}. */
  constructor(buffer: SharedArrayBuffer, evictable: number) {
    this.#header = new Int32Array(buffer, 0, CLIENT_TABLE_HEADER_BYTES / 4)
    this.#words = new Int32Array(buffer, CLIENT_TABLE_HEADER_BYTES)
    this.#buckets = this.#words.length / BUCKET_WORDS
    this.#evictable = evictable
    if (this.#buckets < 2 || !Number.isInteger(Math.log2(this.#buckets))) {
      throw new ProxyError('E_INTERNAL', 'bug', `a table of clients has a power of two of entries, at least ${2 * WAYS}`)
    }
  }

  /** Entries there may be. */
  get capacity(): number {
    return this.#buckets * WAYS
  }

  /** Entries given up early because their bucket was full. */
  get evictions(): number {
    return Atomics.load(this.#header, EVICTIONS) >>> 0
  }

  /** The published entry of a client, or {@link NO_ENTRY}. */
  locate(service: number, client: ClientAddress): number {
    const fingerprint = this.#fingerprint(service, client)
    const words = this.#words
    let bucket = this.#entry(fingerprint, 0)
    for (let turn = 0; turn < 2; turn++) {
      for (let at = bucket; at < bucket + WAYS; at++) {
        if (words[at] !== fingerprint) continue
        if (Atomics.load(words, bodyOf(at) + VALUE) !== 0 && this.#matches(at, service, client)) return at
      }
      bucket ^= BUCKET_WORDS
    }
    return NO_ENTRY
  }

  /** An open entry for a client that has none: it is the caller's alone, who has to `publish` it. {@link NO_ENTRY} where
   *  another thread is about to make one, or every entry the client could have is taken. An entry evicted when it was used
   *  less than `keepMs` ago counts as an eviction. */
  claim(service: number, client: ClientAddress, nowMs: number, keepMs: number): number {
    const words = this.#words
    const fingerprint = this.#fingerprint(service, client)
    const at = this.#take(fingerprint, nowMs, keepMs)
    if (at < 0) return NO_ENTRY
    const body = bodyOf(at)
    words[body + SERVICE] = service
    words[body + ADDRESS] = client.word0
    words[body + ADDRESS + 1] = client.word1
    words[body + ADDRESS + 2] = client.word2
    words[body + ADDRESS + 3] = client.word3
    Atomics.store(words, body + USED_MS, nowMs | 0)
    if (this.#standsAlone(service, client, fingerprint, at)) return at
    Atomics.store(words, at, 0)
    this.#awaitOpenClaims(fingerprint)
    return NO_ENTRY
  }

  publish(at: number, value: number): void {
    Atomics.store(this.#words, bodyOf(at) + VALUE, value)
  }

  /** 0: it is not published, or not any more. */
  value(at: number): number {
    return Atomics.load(this.#words, bodyOf(at) + VALUE)
  }

  /** Sets a value in place of the expected one; 0 makes the entry an open claim of the caller's. False: it was another one. */
  replace(at: number, expected: number, value: number): boolean {
    return Atomics.compareExchange(this.#words, bodyOf(at) + VALUE, expected, value) === expected
  }

  /** Adds to the value of an entry that cannot be evicted meanwhile. */
  add(at: number, amount: number): void {
    Atomics.add(this.#words, bodyOf(at) + VALUE, amount)
  }

  /** Notes that an entry is in use. `nowMs` may be any clock's, as long as all callers share it. */
  use(at: number, nowMs: number): void {
    Atomics.store(this.#words, bodyOf(at) + USED_MS, nowMs | 0)
  }

  /** Milliseconds since an entry was last used. */
  ageMs(at: number, nowMs: number): number {
    return ageMs(nowMs, Atomics.load(this.#words, bodyOf(at) + USED_MS))
  }

  serviceOf(at: number): number {
    return this.#words[bodyOf(at) + SERVICE] as number
  }

  /** Gives an entry up, whatever its value. */
  free(at: number): void {
    Atomics.store(this.#words, bodyOf(at) + VALUE, 0)
    Atomics.store(this.#words, at, 0)
  }

  /** The place of an entry among all, from 0. */
  indexOf(at: number): number {
    return Math.floor(at / BUCKET_WORDS) * WAYS + (at & (BUCKET_WORDS - 1))
  }

  /** The published entry after place `index`, or {@link NO_ENTRY}: begin with -1. For the main thread, now and then. */
  next(index: number): number {
    if (Atomics.load(this.#header, IN_USE) === 0) return NO_ENTRY
    for (let n = index + 1; n < this.#buckets * WAYS; n++) {
      const at = Math.floor(n / WAYS) * BUCKET_WORDS + (n % WAYS)
      if (this.#words[at] !== 0 && this.value(at) !== 0) return at
    }
    return NO_ENTRY
  }

  #fingerprint(service: number, client: ClientAddress): number {
    const hash = mix(mix(mix(mix(mix(0x2545f491, service), client.word0), client.word1), client.word2), client.word3)
    return hash === 0 ? 1 : hash
  }

  /** The n-th entry of the 2 × WAYS that a key may stand in. */
  #entry(fingerprint: number, n: number): number {
    const home = (fingerprint >>> 0) & (this.#buckets - 1)
    const bucket = n < WAYS ? home : home ^ 1
    return bucket * BUCKET_WORDS + (n & (WAYS - 1))
  }

  #matches(at: number, service: number, client: ClientAddress): boolean {
    const words = this.#words
    const body = bodyOf(at)
    return (
      words[body + SERVICE] === service &&
      words[body + ADDRESS] === (client.word0 | 0) &&
      words[body + ADDRESS + 1] === (client.word1 | 0) &&
      words[body + ADDRESS + 2] === (client.word2 | 0) &&
      words[body + ADDRESS + 3] === (client.word3 | 0)
    )
  }

  /** Takes a free entry, else the longest unused one that may be evicted. -1 where there is none, or other threads took it. */
  #take(fingerprint: number, nowMs: number, keepMs: number): number {
    const words = this.#words
    Atomics.store(this.#header, IN_USE, 1)
    let oldest = NO_ENTRY
    let oldestAge = -1
    for (let n = 0; n < 2 * WAYS; n++) {
      const at = this.#entry(fingerprint, n)
      if (Atomics.load(words, at) === 0) {
        if (Atomics.compareExchange(words, at, 0, fingerprint) === 0) return at
        continue
      }
      const age = this.ageMs(at, nowMs)
      if (age > oldestAge && this.#mayGo(this.value(at))) {
        oldestAge = age
        oldest = at
      }
    }
    if (oldest < 0) return NO_ENTRY
    const value = this.value(oldest)
    if (!this.#mayGo(value) || !this.replace(oldest, value, 0)) return NO_ENTRY
    Atomics.store(words, oldest, fingerprint)
    if (oldestAge < keepMs) Atomics.add(this.#header, EVICTIONS, 1)
    return oldest
  }

  #mayGo(value: number): boolean {
    return this.#evictable === ANY_VALUE ? value !== 0 : value === this.#evictable
  }

  /** Whether the claim at `mine` may be published. Of two open claims the one that comes later among the key's entries
   *  gives way, and the earlier one waits to see whether the later published before it could know. */
  #standsAlone(service: number, client: ClientAddress, fingerprint: number, mine: number): boolean {
    const words = this.#words
    let earlier = true
    for (let n = 0; n < 2 * WAYS; n++) {
      const at = this.#entry(fingerprint, n)
      if (at === mine) {
        earlier = false
        continue
      }
      if (Atomics.load(words, at) !== fingerprint) continue
      if (earlier && this.value(at) === 0) return false
      this.#awaitClaim(at, fingerprint)
      if (Atomics.load(words, at) === fingerprint && this.#matches(at, service, client)) return false
    }
    return true
  }

  #awaitOpenClaims(fingerprint: number): void {
    for (let n = 0; n < 2 * WAYS; n++) {
      const at = this.#entry(fingerprint, n)
      if (!this.#awaitClaim(at, fingerprint)) this.free(at)
    }
  }

  /** Waits until the entry is no longer an open claim for this fingerprint. False: it stayed open too long. */
  #awaitClaim(at: number, fingerprint: number): boolean {
    const words = this.#words
    for (let round = 0; round < SPIN_ROUNDS + PATIENCE_MS; round++) {
      if (Atomics.load(words, at) !== fingerprint || this.value(at) !== 0) return true
      if (round >= SPIN_ROUNDS) Atomics.wait(words, bodyOf(at) + VALUE, 0, 1)
    }
    return false
  }
}

/** Age on a clock kept as 32-bit milliseconds, which wraps after 49 days; entries are swept long before. Threads read the
 *  time once a turn: one may find an entry that was used a moment later than its own now. */
function ageMs(nowMs: number, usedMs: number): number {
  return Math.max(0, ((nowMs | 0) - usedMs) | 0)
}
