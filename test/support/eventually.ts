/** How long a test waits for something that is on its way. Nothing but a failure ever takes this long. */
const PATIENCE_MS = 30_000

const RETRY_MS = 15

/** Calls `assertion` until it no longer throws and returns what it returned; once patience is over, throws what it threw
 *  last. Real time: for tests with sockets, files and threads. */
export async function eventually<T>(assertion: () => T | Promise<T>, options: { patienceMs?: number } = {}): Promise<T> {
  const until = performance.now() + (options.patienceMs ?? PATIENCE_MS)
  for (;;) {
    try {
      return await assertion()
    } catch (error) {
      if (performance.now() >= until) throw error
    }
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS))
  }
}
