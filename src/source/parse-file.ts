import { isUtf8 } from 'node:buffer'
import { hash } from 'node:crypto'
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs'
import { isErrno } from '../lib/errors.ts'
import type { Problem } from '../model/problem.ts'
import { type FoundObject, parseDocuments } from './documents.ts'
import { identityOf, LARGEST_FILE_BYTES } from './file-identity.ts'
import { fileProblem, unreadable } from './file-problem.ts'
import type { ParsedContent, ParseReply, ParseRequest } from './parse-messages.ts'
import { encodeValue } from './value-bytes.ts'

/** For an object on one line, as programs write JSON: that line says it all. */
const NO_LINES = new Uint32Array()

/** Reads and parses one file. Blocks: meant for a thread of its own. */
export function parseFile(request: ParseRequest): ParseReply {
  let bytes: Buffer | Problem | undefined
  try {
    bytes = readWhole(request)
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return { kind: 'moved' }
    return { kind: 'problem', problem: unreadable(request.place, error), retry: true }
  }
  if (!bytes) return { kind: 'moved' }
  if (!Buffer.isBuffer(bytes)) return { kind: 'problem', problem: bytes, retry: false }
  const contentHash = hash('sha256', bytes, 'base64url')
  if (contentHash === request.contentHash) return { kind: 'unchanged' }
  if (!isUtf8(bytes)) {
    const problem = fileProblem(
      'error',
      'file-binary',
      request.place,
      'not UTF-8 text; write the objects as YAML or JSON in UTF-8',
    )
    return { kind: 'problem', problem, retry: false }
  }
  const documents = parseDocuments(bytes.toString('utf8'), request.place)
  if ('problem' in documents) return { kind: 'problem', problem: documents.problem, retry: false }
  return { kind: 'parsed', content: pack(contentHash, documents.objects, new Set(request.known)) }
}

/** The bytes of a file that nobody wrote to meanwhile; undefined if somebody did. */
function readWhole({ path, place, expect }: ParseRequest): Buffer | Problem | undefined {
  // Without O_NONBLOCK, opening a FIFO that took the file's place would wait for a writer for ever.
  const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  try {
    const before = fstatSync(file, { bigint: true })
    if (expect !== undefined && identityOf(before) !== expect) return undefined
    if (!before.isFile()) return fileProblem('error', 'not-a-file', place, 'neither a file nor a folder')
    if (before.size > LARGEST_FILE_BYTES) return tooLarge(place, before.size)
    const size = Number(before.size)
    const bytes = Buffer.allocUnsafeSlow(size)
    let filled = 0
    while (filled < size) {
      const count = readSync(file, bytes, filled, size - filled, filled)
      if (count === 0) return undefined
      filled += count
    }
    return identityOf(fstatSync(file, { bigint: true })) === identityOf(before) ? bytes : undefined
  } finally {
    closeSync(file)
  }
}

/** What to say of a file that is not read for its size. */
export function tooLarge(place: string, sizeBytes: bigint): Problem {
  const message = `${sizeBytes} bytes are more than the ${LARGEST_FILE_BYTES} that are read; split it into several files`
  return fileProblem('error', 'file-too-large', place, message)
}

function pack(contentHash: string, objects: readonly FoundObject[], known: Set<string>): ParsedContent {
  const hashes: string[] = []
  const values: Buffer[] = []
  const valueEnds: number[] = []
  let end = 0
  for (const object of objects) {
    const value = encodeValue(object.value)
    const digest = hash('sha256', value, 'base64url')
    hashes.push(digest)
    if (known.has(digest)) continue
    known.add(digest)
    values.push(value)
    end += value.length
    valueEnds.push(end)
  }
  const ownLines = objects.map(({ line, lines }) => (lines?.some((other) => other !== line) ? lines : NO_LINES))
  const lineCounts = Uint32Array.from(ownLines, ({ length }) => length)
  const lines = new Uint32Array(lineCounts.reduce((sum, count) => sum + count, 0))
  let at = 0
  for (const own of ownLines) {
    lines.set(own, at)
    at += own.length
  }
  // A buffer of its own: Buffer.concat may cut one from Node's pool, which cannot be handed to another thread.
  const joined = new Uint8Array(end)
  let from = 0
  for (const [index, value] of values.entries()) {
    joined.set(value, from)
    from = valueEnds[index] ?? from
  }
  return {
    contentHash,
    hashes,
    starts: Uint32Array.from(objects, (object) => object.line),
    lineCounts,
    lines,
    values: joined,
    valueEnds: Uint32Array.from(valueEnds),
  }
}
