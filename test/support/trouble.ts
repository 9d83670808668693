import type { Calls } from '../../src/lib/libc/calls.ts'
import { ERRNO } from '../../src/lib/libc/errno.ts'
import type { Libc } from '../../src/lib/libc/load.ts'

/** What may go wrong in a worker, in words that a test shares with it. */
const CALL = 0
const ERROR = 1
/** Calls that pass before the first one that fails. */
const PASS = 2
/** Calls that fail then; negative: all of them. */
const FAIL = 3
const HITS = 4
const HELD = 5
const AT_GATE = 6
/** The moment of a {@link Death}, plus one; 0: nobody dies. */
const DEATH = 7
const FAULT = 8
/** The row of the worker that dies, or -1. */
const DEATH_ROW = 9
/** Moments that pass before. */
const DEATH_PASS = 10
/** A worker waits before it loads the library. */
const START_HELD = 11
/** Workers that came past that. */
const STARTED = 12
const WORDS = 13

/** When a worker dies: told a route, giving a session away, or having taken one over. */
const DEATHS = ['publish', 'release', 'adoption'] as const
type Death = (typeof DEATHS)[number]

const NAMES: readonly (keyof Calls)[] = [
  'socket',
  'bind',
  'listen',
  'accept4',
  'connect',
  'close',
  'shutdown',
  'setsockopt',
  'getsockopt',
  'epoll_create1',
  'epoll_ctl',
  'epoll_wait',
  'recv',
  'send',
  'sendmsg',
  'recvmmsg',
  'sendmmsg',
  'pipe2',
  'fcntl',
  'splice',
  'eventfd',
  'read',
  'write',
  'ioctl',
  'mmap',
]

/** A test's hand in workers whose entry is `troubled-worker.ts`. */
export class Trouble {
  readonly words = new Int32Array(new SharedArrayBuffer(4 * WORDS))

  /** From now on a call fails, `times` times, after `pass` calls that do not. */
  inject(call: keyof Calls, errno: keyof typeof ERRNO, { pass = 0, times = 1 } = {}): void {
    this.stop()
    Atomics.store(this.words, HITS, 0)
    Atomics.store(this.words, ERROR, ERRNO[errno])
    Atomics.store(this.words, PASS, pass)
    Atomics.store(this.words, FAIL, times)
    Atomics.store(this.words, CALL, NAMES.indexOf(call) + 1)
  }

  /** No call fails any more. */
  stop(): void {
    Atomics.store(this.words, CALL, 0)
  }

  /** Calls that were made to fail since {@link inject}. */
  get hits(): number {
    return Atomics.load(this.words, HITS)
  }

  /** Keeps one worker from looking at events until the result is disposed; resolves when it stands still. The worker must
   *  have something to look at, or be about to. */
  hold(): Disposable {
    Atomics.store(this.words, AT_GATE, 0)
    Atomics.store(this.words, HELD, 1)
    return {
      [Symbol.dispose]: () => {
        Atomics.store(this.words, HELD, 0)
        Atomics.notify(this.words, HELD)
      },
    }
  }

  /** Keeps workers that start from now on from loading the library until the result is disposed. */
  holdStart(): Disposable {
    Atomics.store(this.words, START_HELD, 1)
    return {
      [Symbol.dispose]: () => {
        Atomics.store(this.words, START_HELD, 0)
        Atomics.notify(this.words, START_HELD)
      },
    }
  }

  /** Workers that have loaded the library. */
  get started(): number {
    return Atomics.load(this.words, STARTED)
  }

  /** Whether a worker stands still. */
  get standing(): boolean {
    return Atomics.load(this.words, AT_GATE) === 1
  }

  /** The next worker that is told a route dies; or the worker of this row, or at another moment, or at a later one. */
  kill({ row = -1, at = 'publish' as Death, pass = 0 } = {}): void {
    Atomics.store(this.words, DEATH_ROW, row)
    Atomics.store(this.words, DEATH_PASS, pass)
    Atomics.store(this.words, DEATH, DEATHS.indexOf(at) + 1)
  }

  /** The next session that is refused by an endpoint meets an error of ours. */
  fault(): void {
    Atomics.store(this.words, FAULT, 1)
  }
}

/** What a worker does first: nothing, as long as a test holds it; then `load`. */
export function startTroubled<T>(words: Int32Array<SharedArrayBuffer>, load: () => T): T {
  while (Atomics.load(words, START_HELD) === 1) Atomics.wait(words, START_HELD, 1)
  const loaded = load()
  Atomics.add(words, STARTED, 1)
  return loaded
}

/** The library with a test's hand in it. */
export function troubledLibc(libc: Libc, words: Int32Array<SharedArrayBuffer>): Libc {
  const troubled = NAMES.map((name, index) => {
    const real = libc.calls[name] as (...values: number[]) => number
    return [name, (...values: number[]) => (fails(words, index + 1) ? failed(libc, words, name, real, values) : real(...values))]
  })
  const calls = { ...libc.calls, ...(Object.fromEntries(troubled) as Partial<Calls>) }
  const wait = calls.epoll_wait
  return {
    ...libc,
    calls: {
      ...calls,
      epoll_wait: (...values) => {
        const count = wait(...values)
        while (Atomics.load(words, HELD) === 1) {
          Atomics.store(words, AT_GATE, 1)
          Atomics.wait(words, HELD, 1)
        }
        return count
      },
    },
  }
}

/** Takes the error that a test has put up: true once. */
export function takesFault(words: Int32Array<SharedArrayBuffer>): boolean {
  return Atomics.compareExchange(words, FAULT, 1, 0) === 1
}

/** Takes the death that a test has put up for this worker and moment: true once. */
export function takesDeath(words: Int32Array<SharedArrayBuffer>, row: number, at: Death): boolean {
  const wanted = Atomics.load(words, DEATH_ROW)
  if (Atomics.load(words, DEATH) !== DEATHS.indexOf(at) + 1 || (wanted !== -1 && wanted !== row)) return false
  if (Atomics.sub(words, DEATH_PASS, 1) > 0) return false
  return Atomics.exchange(words, DEATH, 0) !== 0
}

function fails(words: Int32Array<SharedArrayBuffer>, call: number): boolean {
  if (Atomics.load(words, CALL) !== call) return false
  if (Atomics.load(words, PASS) > 0) {
    Atomics.sub(words, PASS, 1)
    return false
  }
  const left = Atomics.load(words, FAIL)
  if (left === 0) return false
  if (left > 0) Atomics.sub(words, FAIL, 1)
  Atomics.add(words, HITS, 1)
  return true
}

function failed(
  libc: Libc,
  words: Int32Array<SharedArrayBuffer>,
  name: keyof Calls,
  real: (...values: number[]) => number,
  values: number[],
): number {
  // A close that fails has closed all the same.
  if (name === 'close') real(...values)
  libc.errno[0] = Atomics.load(words, ERROR)
  return -1
}
