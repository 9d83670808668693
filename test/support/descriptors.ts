import { closeSync, openSync, readdirSync, readFileSync } from 'node:fs'

/** Descriptors this process holds now. */
export function openDescriptors(): number {
  return readdirSync('/proc/self/fd').length
}

/** Takes every descriptor this process may still have, but for `but`; gives them back when disposed. */
export function takeDescriptors(but: number): Disposable {
  const taken: number[] = []
  try {
    for (;;) taken.push(openSync('/dev/null', 'r'))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EMFILE') throw error
  }
  for (const fd of taken.splice(0, but)) closeSync(fd)
  return {
    [Symbol.dispose]() {
      for (const fd of taken.splice(0)) closeSync(fd)
    },
  }
}

/** Bytes that the system has taken from a TCP socket of this machine and that the other side has not acknowledged. */
export function unacknowledgedBytes(localPort: number, remotePort: number): number {
  const hex = (port: number) => port.toString(16).toUpperCase().padStart(4, '0')
  const line = new RegExp(`^ *\\d+: [0-9A-F]+:${hex(localPort)} [0-9A-F]+:${hex(remotePort)} [0-9A-F]+ ([0-9A-F]+):`, 'm')
  const match = line.exec(readFileSync('/proc/net/tcp', 'latin1')) ?? line.exec(readFileSync('/proc/net/tcp6', 'latin1'))
  return match ? Number.parseInt(match[1] as string, 16) : 0
}

/** Bytes that have come to the connected TCP sockets of an IPv4 port of this machine, and that nobody has read. */
export function unreadBytes(localPort: number): number {
  const hex = localPort.toString(16).toUpperCase().padStart(4, '0')
  const lines = readFileSync('/proc/net/tcp', 'latin1').matchAll(
    new RegExp(`^ *\\d+: [0-9A-F]+:${hex} [0-9A-F]+:[0-9A-F]+ (?!0A|06)[0-9A-F]+ [0-9A-F]+:([0-9A-F]+)`, 'gm'),
  )
  return [...lines].reduce((sum, [, unread]) => sum + Number.parseInt(unread as string, 16), 0)
}

/** TCP connections of this machine over IPv4 that have these ports, in whatever state; listening sockets do not count. */
export function openConnections({
  localPort,
  remotePort,
}: {
  readonly localPort?: number
  readonly remotePort?: number
}): number {
  const hex = (port: number | undefined) => port?.toString(16).toUpperCase().padStart(4, '0') ?? '[0-9A-F]+'
  const line = new RegExp(`^ *\\d+: [0-9A-F]+:${hex(localPort)} [0-9A-F]+:${hex(remotePort)} (?!0A|06)[0-9A-F]+ `, 'gm')
  return [...readFileSync('/proc/net/tcp', 'latin1').matchAll(line)].length
}
