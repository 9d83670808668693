import { argumentsFor } from '../../model/check-program.ts'
import type { CheckQuestion } from '../../model/health.ts'
import { showAddress } from '../../model/keys.ts'
import { MOST_ANSWER_BYTES } from '../agent-answer.ts'
import type { AskEndpoint, CheckAnswer, CheckRequest } from '../ask.ts'
import { failureOf } from './failures.ts'
import { runProgram } from './run-program.ts'
import { askTcp, type Judge } from './tcp-question.ts'
import { askUdp } from './udp-question.ts'

/** A PROXY header that says that the connection is the proxy's own: https://www.haproxy.org/download/2.9/doc/proxy-protocol.txt */
const LOCAL_HEADERS = { 1: 'PROXY UNKNOWN\r\n', 2: '\r\n\r\n\0\r\nQUIT\n\x20\0\0\0' } as const
const GOOD: CheckAnswer = { said: '' }

/** What asks endpoints; `programs` are path and arguments by name. */
export function createAskEndpoint(programs: ReadonlyMap<string, readonly string[]>): AskEndpoint {
  return async (request, signal) => {
    const { question, address, service } = request
    try {
      if (question.how === 'udp') return await askUdp(address, question, signal)
      if (question.how !== 'exec') return await askTcp(address, textFor(request, question), judgeOf(question), signal)
      const argv = programs.get(question.program)
      if (!argv) return { failure: `there is no program ${question.program}` }
      return await runProgram(argumentsFor(argv, { ip: address.ip, port: String(address.port), service }), signal)
    } catch (error) {
      // Some calls throw what others tell.
      return failureOf(error)
    }
  }
}

type TcpQuestion = Exclude<CheckRequest['question'], { readonly how: 'udp' | 'exec' }>

function textFor({ address, proxyHeader }: CheckRequest, question: TcpQuestion): string {
  const header = proxyHeader === undefined ? '' : LOCAL_HEADERS[proxyHeader]
  if (question.how === 'agent') return ''
  if (question.how === 'tcp') return header + question.send
  const fields = [`Host: ${showAddress(address)}`, 'User-Agent: portald', 'Accept: */*', 'Connection: close']
  return `${header}GET ${question.path} HTTP/1.1\r\n${fields.join('\r\n')}\r\n\r\n`
}

function judgeOf(question: TcpQuestion): Judge {
  if (question.how === 'agent') return judgeAgent
  if (question.how === 'http') return (received) => judgeStatus(received, question)
  const { expect } = question
  return expect === '' ? undefined : (received) => (received.includes(expect) ? GOOD : undefined)
}

function judgeStatus(received: string, { statuses }: CheckQuestion & { how: 'http' }): CheckAnswer | undefined {
  const line = /^([^\r\n]*)\r?\n/.exec(received)?.[1]
  if (line === undefined) return undefined
  const status = Number(/^HTTP\/1\.[01] ([1-5]\d\d)(?: |$)/.exec(line)?.[1])
  if (Number.isNaN(status)) return { failure: 'the answer is no HTTP' }
  return statuses.some(([from, to]) => status >= from && status <= to) ? GOOD : { failure: `status ${status}` }
}

/** An agent says a line, or closes behind what it said. */
function judgeAgent(received: string, ended: boolean): CheckAnswer | undefined {
  if (received.length > MOST_ANSWER_BYTES) return { failure: 'the answer is too long' }
  return /[\r\n]/.test(received) || (ended && received !== '') ? { said: received } : undefined
}
