import { setImmediate as nextTurn } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import type { Clock } from '../lib/clock.ts'
import { messageOf } from '../lib/errors.ts'
import { keepAlive } from '../lib/keep-alive.ts'
import type { Problem } from '../model/problem.ts'
import type { SourceObject } from '../model/source-object.ts'
import { fileProblem } from './file-problem.ts'
import type { ParsedContent, ParseReply, ParseRequest } from './parse-messages.ts'
import { decodeValue } from './value-bytes.ts'

/** A file that was read and understood. */
export interface ParsedFile {
  readonly contentHash: string
  readonly objects: readonly SourceObject[]
  /** One for each object. */
  readonly hashes: readonly string[]
}

/** What to parse. */
export interface FileToParse {
  /** The file to open. */
  readonly path: string
  /** The name it is shown by. */
  readonly place: string
  /** What the file must be when it is opened, as `identityOf` says it; undefined: as it comes. */
  readonly expect: string | undefined
  /** The last result for this file: objects that did not change keep their references. */
  readonly previous: ParsedFile | undefined
}

/** How parsing a file went. */
export type ParseOutcome =
  | { readonly kind: 'parsed'; readonly file: ParsedFile }
  | Exclude<ParseReply, { kind: 'parsed' | 'unchanged' }>
  /** The parser was disposed first. */
  | { readonly kind: 'stopped' }

/** Reads and parses files in a thread of its own, one after the other. */
export interface FileParser extends AsyncDisposable {
  parse(file: FileToParse): Promise<ParseOutcome>
  /** Keeps the process alive until disposed, for a caller with more to ask. An idle parser does not. */
  hold(): Disposable
}

/** How long one file may take: some ten times what the largest one does. Only a file made to be slow reaches it. */
const PARSE_LIMIT_MS = 120_000

/** A thread that had nothing to do for so long gives its memory back: starting another takes some 50 ms. */
const IDLE_MS = 10_000

/** How much of an answer is taken in before everyone else gets a turn. */
const SLICE_BYTES = 128 * 1024
const SLICE_OBJECTS = 500

const WORKER_URL = new URL(import.meta.url.endsWith('.ts') ? './parse-worker.ts' : './parse-worker.js', import.meta.url)

interface Death {
  readonly kind: 'died'
  readonly reason: string
}

/** What a parser needs. */
export interface FileParserOptions {
  readonly clock: Clock
  /** How much memory its thread may take, in megabytes, before it dies. By default half of what the machine has left, at most
   *  4 GB; a file of the largest size needs 2. */
  readonly heapLimitMb?: number
}

/** Opens a parser. Its thread starts with the first file, ends when it was idle for a while, and starts again when it is
 *  needed. */
export async function openFileParser(options: FileParserOptions): Promise<FileParser> {
  const { clock, heapLimitMb = defaultHeapLimitMb() } = options
  let worker: Worker | undefined
  let wasStarted = false
  let answer: ((reply: ParseReply | Death) => void) | undefined
  let queue: Promise<unknown> = Promise.resolve()
  let idle: Disposable | undefined
  let disposed = false

  const start = (): Worker => {
    const started = new Worker(WORKER_URL, { execArgv: [], resourceLimits: { maxOldGenerationSizeMb: heapLimitMb } })
    let reason = 'its thread ended'
    started.on('message', (reply: ParseReply) => {
      if (worker === started) answer?.(reply)
    })
    started.on('error', (error) => {
      reason = messageOf(error)
    })
    started.on('exit', () => {
      if (worker !== started) return
      worker = undefined
      answer?.({ kind: 'died', reason })
    })
    started.unref()
    wasStarted = true
    return started
  }

  const hold = (): Disposable => {
    // Who holds it will ask soon, if only the first time.
    if (!disposed && !wasStarted) worker = start()
    return keepAlive()
  }

  const end = (reason: string): void => {
    const ended = worker
    worker = undefined
    answer?.({ kind: 'died', reason })
    void ended?.terminate()
  }

  const ask = async (request: ParseRequest): Promise<ParseReply | Death> => {
    using _alive = hold()
    idle?.[Symbol.dispose]()
    worker ??= start()
    using _limit = clock.after(PARSE_LIMIT_MS, () => end(`took longer than ${PARSE_LIMIT_MS / 1000} s`))
    try {
      return await new Promise((resolve) => {
        answer = resolve
        worker?.postMessage(request)
      })
    } finally {
      answer = undefined
      if (!disposed) idle = clock.after(IDLE_MS, () => end('idle'))
    }
  }

  const parseNow = async (file: FileToParse): Promise<ParseOutcome> => {
    if (disposed) return { kind: 'stopped' }
    const { path, place, expect, previous } = file
    const reply = await ask({ path, place, expect, contentHash: previous?.contentHash, known: previous?.hashes ?? [] })
    if (disposed) return { kind: 'stopped' }
    if (reply.kind === 'died') return { kind: 'problem', problem: deathOf(place, reply.reason), retry: false }
    if (reply.kind === 'unchanged') return previous ? { kind: 'parsed', file: previous } : { kind: 'moved' }
    if (reply.kind !== 'parsed') return reply
    using _alive = hold()
    return { kind: 'parsed', file: await unpack(reply.content, file) }
  }

  return {
    parse(file) {
      const outcome = queue.then(() => parseNow(file))
      queue = outcome.catch(() => undefined)
      return outcome
    },
    hold,
    async [Symbol.asyncDispose]() {
      disposed = true
      idle?.[Symbol.dispose]()
      const ended = worker
      end('disposed')
      await ended?.terminate()
    },
  }
}

function defaultHeapLimitMb(): number {
  const availableMb = process.availableMemory() / 2 ** 20
  return Math.round(Math.min(Math.max(availableMb / 2, 256), 4096))
}

function deathOf(place: string, reason: string): Problem {
  return fileProblem('error', 'parser-failed', place, `could not be parsed: ${reason}`)
}

/** Turns an answer into objects. Unchanged ones come from the previous result; those that did not even move are the same
 *  `SourceObject`. Everything kept is copied out of the answer's buffers, so that one old object does not keep them all. */
async function unpack(content: ParsedContent, { place, previous }: FileToParse): Promise<ParsedFile> {
  const known = new Map<string, SourceObject>()
  for (const [index, digest] of (previous?.hashes ?? []).entries()) {
    const object = previous?.objects[index]
    if (object) known.set(digest, object)
  }
  const objects: SourceObject[] = []
  const values = Buffer.from(content.values.buffer)
  let fresh = 0
  let valueStart = 0
  let lineStart = 0
  let turnBytes = 0
  for (const [index, digest] of content.hashes.entries()) {
    if (valueStart - turnBytes > SLICE_BYTES || index % SLICE_OBJECTS === SLICE_OBJECTS - 1) {
      turnBytes = valueStart
      await nextTurn()
    }
    const lineEnd = lineStart + (content.lineCounts[index] ?? 0)
    const lines = lineEnd > lineStart ? content.lines.slice(lineStart, lineEnd) : undefined
    const origin = { place, line: content.starts[index] ?? 0, lines }
    lineStart = lineEnd
    let object = known.get(digest)
    if (!object) {
      const valueEnd = content.valueEnds[fresh++] ?? valueStart
      object = { value: decodeValue(values.subarray(valueStart, valueEnd)), origin }
      valueStart = valueEnd
      known.set(digest, object)
    }
    objects.push(sameOrigin(object, origin) ? object : { value: object.value, origin })
  }
  return { contentHash: content.contentHash, objects, hashes: content.hashes }
}

function sameOrigin({ origin }: SourceObject, other: SourceObject['origin']): boolean {
  if (origin === other) return true
  if (origin.place !== other.place || origin.line !== other.line || origin.lines?.length !== other.lines?.length) return false
  return origin.lines?.every((line, index) => line === other.lines?.[index]) ?? true
}
