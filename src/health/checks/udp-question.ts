import { createSocket } from 'node:dgram'
import type { CheckQuestion } from '../../model/health.ts'
import { familyOf, type SocketAddress } from '../../model/keys.ts'
import type { CheckAnswer } from '../ask.ts'
import { failureOf } from './failures.ts'

/** Sends a datagram and judges the one that comes back. Resolves when the socket is gone. */
export function askUdp(
  { ip, port }: SocketAddress,
  { send, expect }: CheckQuestion & { how: 'udp' },
  signal: AbortSignal,
): Promise<CheckAnswer> {
  const { promise, resolve } = Promise.withResolvers<CheckAnswer>()
  const socket = createSocket(familyOf(ip) === 4 ? 'udp4' : 'udp6')
  let answer: CheckAnswer | undefined
  const settle = (made: CheckAnswer) => {
    if (answer) return
    answer = made
    signal.removeEventListener('abort', timeUp)
    socket.close(() => resolve(made))
  }
  const timeUp = () => settle({ failure: 'no answer in time' })
  const failed = (error: Error | null | undefined) => {
    if (error) settle(failureOf(error))
  }
  socket.on('error', failed)
  socket.on('message', (datagram) => {
    settle(datagram.toString('latin1').includes(expect) ? { said: '' } : { failure: 'wrong answer' })
  })
  socket.connect(port, ip, () => {
    if (!answer) socket.send(Buffer.from(send, 'latin1'), failed)
  })
  signal.addEventListener('abort', timeUp, { once: true })
  if (signal.aborted) timeUp()
  return promise
}
