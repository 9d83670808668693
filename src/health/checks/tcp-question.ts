import { connect } from 'node:net'
import type { SocketAddress } from '../../model/keys.ts'
import type { CheckAnswer } from '../ask.ts'
import { failureOf } from './failures.ts'

/** Says what is made of what has come, one character a byte, as soon as that is clear; `ended`: nothing more comes. Undefined:
 *  that there is somebody is enough. */
export type Judge = ((received: string, ended: boolean) => CheckAnswer | undefined) | undefined

/** What is not answered within so many bytes is not answered. */
const MOST_BYTES = 16_384

/** Connects, says a text (one character a byte) and judges what comes. Resolves when the connection is gone. */
export function askTcp({ ip, port }: SocketAddress, text: string, judge: Judge, signal: AbortSignal): Promise<CheckAnswer> {
  const { promise, resolve } = Promise.withResolvers<CheckAnswer>()
  const socket = connect({ host: ip, port })
  let answer: CheckAnswer | undefined
  let connected = false
  let received = ''
  const settle = (made: CheckAnswer) => {
    answer ??= made
    socket.destroy()
  }
  const timeUp = () => settle({ failure: connected ? 'no answer in time' : 'no connection in time' })
  socket.on('connect', () => {
    connected = true
    if (judge) socket.write(text, 'latin1')
    else socket.end(text, 'latin1', () => settle({ said: '' }))
  })
  socket.on('data', (chunk: Buffer) => {
    if (!judge) return
    received += chunk.toString('latin1')
    const made = judge(received, false)
    if (made) settle(made)
    else if (received.length > MOST_BYTES) settle({ failure: 'the answer does not hold what it should' })
  })
  socket.on('end', () => {
    if (judge) settle(judge(received, true) ?? { failure: received === '' ? 'closed without an answer' : 'wrong answer' })
  })
  socket.on('error', (error) => settle(failureOf(error)))
  socket.on('close', () => {
    signal.removeEventListener('abort', timeUp)
    resolve(answer ?? { failure: 'closed without an answer' })
  })
  signal.addEventListener('abort', timeUp, { once: true })
  if (signal.aborted) timeUp()
  return promise
}
