import { MessageChannel } from 'node:worker_threads'

/** Keeps the process alive until disposed: for work that nothing else stands for, no open socket and no thread. */
export function keepAlive(): Disposable {
  const { port1, port2 } = new MessageChannel()
  port1.on('message', () => {})
  return {
    [Symbol.dispose]() {
      port1.close()
      port2.close()
    },
  }
}
