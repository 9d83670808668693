/** How long a test waits for something that is on its way. Nothing but a failure ever takes this long. */
const PATIENCE_MS = 30_000

/** What `promise` resolves with; rejects with `what` was waited for once patience is over. Real time: for sockets. */
export async function within<T>(what: string, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const over = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`still waiting: ${what}`)), PATIENCE_MS)
  })
  try {
    return await Promise.race([promise, over])
  } finally {
    clearTimeout(timer)
  }
}
