import { once } from 'node:events'
import { createServer } from 'node:net'

/** Takes all SCTP of this network namespace for this process; undefined: another one has it. Raw sockets do not notice each other, and
 *  two programs that both get every packet would take each other's associations for unknown ones. The name of an abstract socket
 *  belongs to the network namespace, and the kernel takes it back from a process however it ends. */
export async function takeSctp(): Promise<Disposable | undefined> {
  const server = createServer((visitor) => visitor.destroy())
  server.unref()
  try {
    server.listen('\0portald/sctp')
    await once(server, 'listening')
  } catch {
    return undefined
  }
  return { [Symbol.dispose]: () => void server.close() }
}
