import { once } from 'node:events'
import { createServer, type Server } from 'node:net'
import { MOST_INSTANCES } from './marks.ts'

/** A number that is this instance's alone in its network namespace, as long as its process lives or until disposed. */
export interface Instance extends AsyncDisposable {
  readonly number: number
}

/** Takes the lowest number that no living instance has; undefined: all are taken. */
export async function openInstance(): Promise<Instance | undefined> {
  for (let number = 0; number < MOST_INSTANCES; number++) {
    const instance = await takeInstance(number)
    if (instance) return instance
  }
  return undefined
}

/** Takes this number; undefined: a living instance has it. The number is the name of an abstract socket, which belongs to the
 *  network namespace, as routes do, and which the kernel takes back from a process however it dies. */
export async function takeInstance(number: number): Promise<Instance | undefined> {
  const server = createServer((visitor) => visitor.destroy())
  server.unref()
  try {
    server.listen(`\0portald/vips/${number}`)
    await once(server, 'listening')
  } catch {
    return undefined
  }
  return {
    number,
    [Symbol.asyncDispose]: () => closed(server),
  }
}

function closed(server: Server): Promise<void> {
  return new Promise((resolve) => void server.close(() => resolve()))
}
