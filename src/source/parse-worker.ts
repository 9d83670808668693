import { parentPort } from 'node:worker_threads'
import { messageOf } from '../lib/errors.ts'
import { fileProblem } from './file-problem.ts'
import { parseFile } from './parse-file.ts'
import type { ParseReply, ParseRequest } from './parse-messages.ts'

/** The parsing thread: a request in, a reply out. Anything it did not expect is a reply too. */
parentPort?.on('message', (request: ParseRequest) => {
  let reply: ParseReply
  try {
    reply = parseFile(request)
  } catch (error) {
    const problem = fileProblem('error', 'parser-failed', request.place, `could not be parsed: ${messageOf(error)}`)
    reply = { kind: 'problem', problem, retry: false }
  }
  parentPort?.postMessage(reply, reply.kind === 'parsed' ? [reply.content.values.buffer] : [])
})
