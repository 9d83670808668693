import type { TcpPeer } from './tcp-peer.ts'

/** One step of a script. */
type Step = (peer: TcpPeer) => Promise<unknown> | unknown

const SIZE = /^(\d+)([kM]?)$/
const DURATION = /^(\d+)(ms|s)$/

function sizeOf(text: string): number {
  const [, digits, unit] = SIZE.exec(text) ?? []
  if (digits === undefined) throw new SyntaxError(`"${text}" is not a number of bytes, such as 5, 64k or 10M`)
  return Number(digits) * (unit === 'M' ? 2 ** 20 : unit === 'k' ? 1024 : 1)
}

function durationOf(text: string): number {
  const [, digits, unit] = DURATION.exec(text) ?? []
  if (digits === undefined) throw new SyntaxError(`"${text}" is not a time, such as 100ms or 2s`)
  return Number(digits) * (unit === 's' ? 1000 : 1)
}

const VERBS: Readonly<Record<string, (argument: string) => Step>> = {
  /** Where an endpoint's script begins; says only whose script it is. */
  accept: () => () => {},
  /** The same for a client's. */
  connect: () => () => {},
  send: (argument) => {
    const bytes = sizeOf(argument)
    return (peer) => peer.sendPattern(bytes)
  },
  say: (argument) => (peer) => peer.send(argument),
  /** Waits until this many bytes have come in all, or for the other side to end. */
  read: (argument) => {
    if (argument === 'end') return (peer) => peer.ends()
    const bytes = sizeOf(argument)
    return (peer) => peer.receives(bytes)
  },
  echo: () => (peer) => peer.echo(),
  pause: () => (peer) => peer.pause(),
  resume: () => (peer) => peer.resume(),
  wait: (argument) => {
    const ms = durationOf(argument)
    return () => new Promise((resolve) => setTimeout(resolve, ms))
  },
  shut: () => (peer) => peer.halfClose(),
  reset: () => (peer) => peer.reset(),
  close: () => (peer) => peer.close(),
}

/** A script such as `accept, send 5, shut, wait 100ms, reset`, ready to be run on a connection.
 *  @throws SyntaxError naming the step that is none */
export function parseTcpScript(script: string): { readonly role: 'client' | 'endpoint'; run(peer: TcpPeer): Promise<void> } {
  const texts = script
    .split(',')
    .map((text) => text.trim())
    .filter((text) => text !== '')
  const steps = texts.map((text) => {
    const [, verb = '', argument = ''] = /^(\S+)\s*(.*)$/.exec(text) ?? []
    const make = VERBS[verb]
    if (!make) throw new SyntaxError(`"${text}": there are ${Object.keys(VERBS).join(', ')}`)
    return make(argument)
  })
  return {
    role: texts[0] === 'connect' ? 'client' : 'endpoint',
    async run(peer) {
      for (const step of steps) await step(peer)
    },
  }
}
