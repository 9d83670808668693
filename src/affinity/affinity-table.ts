import { ProxyError } from '../lib/errors.ts'
import type { ClientAddress } from '../model/session.ts'
import { AFFINITY_ENTRY_BYTES, AFFINITY_HEADER_BYTES } from '../model/shared-layout.ts'

/** Entries in one bucket; a key may also stand in the neighbouring bucket. */
const WAYS = 16
/** A bucket is the states of all its entries, which fit one cache line, and then the bodies of the entries: a look-up
 *  reads one line to know where to look and one or two to know what it found. A state is 0 while the entry is free, else
 *  the key's fingerprint. An entry is named by where its state stands. */
const BUCKET_WORDS = (WAYS * AFFINITY_ENTRY_BYTES) / 4
const BODY_WORDS = AFFINITY_ENTRY_BYTES / 4 - 1
/** Words of a body. ENDPOINT is 0 until the entry is published. */
const ENDPOINT = 0
const USED_MS = 1
const SERVICE = 2
const ADDRESS = 3

/** Where the body of an entry begins. */
function bodyOf(entry: number): number {
  return (entry & -BUCKET_WORDS) + WAYS + (entry & (BUCKET_WORDS - 1)) * BODY_WORDS
}

/** Words of the header. */
const EVICTIONS = 0
/** Not 0 once anything was ever remembered: a table that never was is not walked through. */
const IN_USE = 1

/** An entry is claimed but not yet published for well under a microsecond, unless its thread was put to sleep in
 *  between: look again this often, then once a millisecond. One that stays open longer belongs to a thread that died. */
const SPIN_ROUNDS = 1_000
const PATIENCE_MS = 200
/** How often a claim that gave way, or found every entry taken under its hands, begins again. */
const TRIES = 4

/** What a look-up found when it found nothing. */
export const NO_ENDPOINT = -1

function mix(hash: number, word: number): number {
  let mixed = Math.imul(hash ^ word, 0x9e3779b1)
  mixed ^= mixed >>> 15
  return Math.imul(mixed, 0x85ebca6b) ^ (mixed >>> 13)
}

/** What a sweep keeps. */
export interface SweepRules {
  /** The timeout of a Service slot; 0 for one that has no affinity or is nobody's. */
  timeoutOf(service: number): number
  /** Whether an endpoint slot is somebody's. */
  isLive(endpoint: number): boolean
}

/** Which endpoint a client went to last, per Service port: sliding age, bounded size, in shared memory, without locks.
 *
 *  A bucketed hash table. A thread claims a free entry by putting the key's fingerprint into its state with one
 *  compare-and-swap, writes the key, looks whether another thread claimed the same key meanwhile, and publishes by
 *  storing the endpoint. Of two open claims for one key the later entry gives way; a published one always stands. So
 *  two threads never send one client to two endpoints. A full bucket evicts its longest unused entry. */
export class AffinityTable {
  readonly #header: Int32Array<SharedArrayBuffer>
  readonly #words: Int32Array<SharedArrayBuffer>
  readonly #buckets: number

  constructor(buffer: SharedArrayBuffer) {
    this.#header = new Int32Array(buffer, 0, AFFINITY_HEADER_BYTES / 4)
    this.#words = new Int32Array(buffer, AFFINITY_HEADER_BYTES)
    this.#buckets = this.#words.length / BUCKET_WORDS
    if (this.#buckets < 2 || !Number.isInteger(Math.log2(this.#buckets))) {
      throw new ProxyError('E_INTERNAL', 'bug', `an affinity table has a power of two of entries, at least ${2 * WAYS}`)
    }
  }

  /** The endpoint slot remembered for this client, its age renewed; `NO_ENDPOINT` if there is none younger than
   *  `timeoutMs`. `nowMs` may be any clock's, as long as all callers share it. */
  find(service: number, client: ClientAddress, nowMs: number, timeoutMs: number): number {
    const at = this.#locate(service, client)
    if (at < 0) return NO_ENDPOINT
    const words = this.#words
    if (ageMs(nowMs, Atomics.load(words, bodyOf(at) + USED_MS)) >= timeoutMs) return NO_ENDPOINT
    Atomics.store(words, bodyOf(at) + USED_MS, nowMs | 0)
    return Atomics.load(words, bodyOf(at) + ENDPOINT) - 1
  }

  /** What `find` would find, without leaving a trace; and how long ago it was found or remembered last. */
  peek(service: number, client: ClientAddress, nowMs: number): { readonly slot: number; readonly ageMs: number } | undefined {
    const at = this.#locate(service, client)
    if (at < 0) return undefined
    const slot = Atomics.load(this.#words, bodyOf(at) + ENDPOINT) - 1
    return slot < 0 ? undefined : { slot, ageMs: ageMs(nowMs, Atomics.load(this.#words, bodyOf(at) + USED_MS)) }
  }

  /** Remembers `slot` for a client that `find` did not know, and returns it; or, where another thread was a moment
   *  faster, returns that thread's choice, which stands. */
  remember(service: number, client: ClientAddress, slot: number, nowMs: number, timeoutMs: number): number {
    const words = this.#words
    const fingerprint = this.#fingerprint(service, client)
    for (let tries = 0; tries < TRIES; tries++) {
      const known = this.#locate(service, client)
      if (known >= 0) {
        const endpoint = Atomics.load(words, bodyOf(known) + ENDPOINT)
        if (endpoint === 0) continue
        if (ageMs(nowMs, Atomics.load(words, bodyOf(known) + USED_MS)) < timeoutMs) return endpoint - 1
        // Expired: whoever turns it into an open claim publishes it anew, the others wait for that.
        if (Atomics.compareExchange(words, bodyOf(known) + ENDPOINT, endpoint, 0) !== endpoint) continue
        Atomics.store(words, bodyOf(known) + USED_MS, nowMs | 0)
        Atomics.store(words, bodyOf(known) + ENDPOINT, slot + 1)
        return slot
      }
      const at = this.#claim(fingerprint, nowMs, timeoutMs)
      if (at < 0) continue
      const body = bodyOf(at)
      words[body + SERVICE] = service
      words[body + ADDRESS] = client.word0
      words[body + ADDRESS + 1] = client.word1
      words[body + ADDRESS + 2] = client.word2
      words[body + ADDRESS + 3] = client.word3
      Atomics.store(words, body + USED_MS, nowMs | 0)
      if (this.#standsAlone(service, client, fingerprint, at)) {
        Atomics.store(words, bodyOf(at) + ENDPOINT, slot + 1)
        return slot
      }
      Atomics.store(words, at, 0)
      this.#awaitOpenClaims(fingerprint)
    }
    return slot
  }

  /** Moves a client to another endpoint, known or not. */
  move(service: number, client: ClientAddress, slot: number, nowMs: number, timeoutMs: number): void {
    const at = this.#locate(service, client)
    if (at < 0) {
      this.remember(service, client, slot, nowMs, timeoutMs)
      return
    }
    Atomics.store(this.#words, bodyOf(at) + ENDPOINT, slot + 1)
    Atomics.store(this.#words, bodyOf(at) + USED_MS, nowMs | 0)
  }

  /** Forgets this client of this Service port, if `slot` is what is remembered for it. */
  forget(service: number, client: ClientAddress, slot: number): void {
    const at = this.#locate(service, client)
    if (at >= 0 && Atomics.load(this.#words, bodyOf(at) + ENDPOINT) === slot + 1) this.#free(at)
  }

  /** Frees what is older than its Service port's timeout, and what names a slot that is nobody's. Returns how many
   *  entries remain. Walks the whole table: for the main thread, now and then. */
  sweep(nowMs: number, { timeoutOf, isLive }: SweepRules): number {
    if (Atomics.load(this.#header, IN_USE) === 0) return 0
    const words = this.#words
    let left = 0
    for (let n = 0; n < this.#buckets * WAYS; n++) {
      const at = Math.floor(n / WAYS) * BUCKET_WORDS + (n % WAYS)
      if (words[at] === 0) continue
      const body = bodyOf(at)
      const endpoint = Atomics.load(words, body + ENDPOINT)
      if (endpoint === 0) continue
      const expired = ageMs(nowMs, words[body + USED_MS] as number) >= timeoutOf(words[body + SERVICE] as number)
      if (expired || !isLive(endpoint - 1)) this.#free(at)
      else left++
    }
    return left
  }

  /** Entries given up early because their bucket was full. */
  evictions(): number {
    return Atomics.load(this.#header, EVICTIONS) >>> 0
  }

  #free(at: number): void {
    Atomics.store(this.#words, bodyOf(at) + ENDPOINT, 0)
    Atomics.store(this.#words, at, 0)
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

  #locate(service: number, client: ClientAddress): number {
    const fingerprint = this.#fingerprint(service, client)
    const words = this.#words
    let bucket = this.#entry(fingerprint, 0)
    for (let turn = 0; turn < 2; turn++) {
      for (let at = bucket; at < bucket + WAYS; at++) {
        if (words[at] !== fingerprint) continue
        if (Atomics.load(words, bodyOf(at) + ENDPOINT) !== 0 && this.#matches(at, service, client)) return at
      }
      bucket ^= BUCKET_WORDS
    }
    return -1
  }

  /** Takes a free or expired entry, else the longest unused one. -1 where other threads took every one tried. */
  #claim(fingerprint: number, nowMs: number, timeoutMs: number): number {
    const words = this.#words
    Atomics.store(this.#header, IN_USE, 1)
    let oldest = -1
    let oldestAge = -1
    for (let n = 0; n < 2 * WAYS; n++) {
      const at = this.#entry(fingerprint, n)
      if (Atomics.load(words, at) === 0) {
        if (Atomics.compareExchange(words, at, 0, fingerprint) === 0) return at
        continue
      }
      const age = ageMs(nowMs, Atomics.load(words, bodyOf(at) + USED_MS))
      if (age > oldestAge && Atomics.load(words, bodyOf(at) + ENDPOINT) !== 0) {
        oldestAge = age
        oldest = at
      }
    }
    if (oldest < 0) return -1
    const endpoint = Atomics.load(words, bodyOf(oldest) + ENDPOINT)
    if (endpoint === 0 || Atomics.compareExchange(words, bodyOf(oldest) + ENDPOINT, endpoint, 0) !== endpoint) return -1
    Atomics.store(words, oldest, fingerprint)
    if (oldestAge < timeoutMs) Atomics.add(this.#header, EVICTIONS, 1)
    return oldest
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
      if (earlier && Atomics.load(words, bodyOf(at) + ENDPOINT) === 0) return false
      this.#awaitClaim(at, fingerprint)
      if (Atomics.load(words, at) === fingerprint && this.#matches(at, service, client)) return false
    }
    return true
  }

  #awaitOpenClaims(fingerprint: number): void {
    for (let n = 0; n < 2 * WAYS; n++) {
      const at = this.#entry(fingerprint, n)
      if (!this.#awaitClaim(at, fingerprint)) this.#free(at)
    }
  }

  /** Waits until the entry is no longer an open claim for this fingerprint. False: it stayed open too long. */
  #awaitClaim(at: number, fingerprint: number): boolean {
    const words = this.#words
    for (let round = 0; round < SPIN_ROUNDS + PATIENCE_MS; round++) {
      if (Atomics.load(words, at) !== fingerprint || Atomics.load(words, bodyOf(at) + ENDPOINT) !== 0) return true
      if (round >= SPIN_ROUNDS) Atomics.wait(words, bodyOf(at) + ENDPOINT, 0, 1)
    }
    return false
  }
}

/** Age on a clock kept as 32-bit milliseconds, which wraps after 49 days; entries are swept long before. Threads read the
 *  time once a turn: one may find an entry that was used a moment later than its own now. */
function ageMs(nowMs: number, usedMs: number): number {
  return Math.max(0, ((nowMs | 0) - usedMs) | 0)
}
