/** A value that is replaced now and then, for any number of readers that care for the newest only. */
export interface Latest<T> {
  readonly value: T | undefined
  set(value: T): void
  /** Yields the value there is and every later one that the reader has time for; returns at `signal` or `close`. */
  watch(signal: AbortSignal): AsyncIterable<T>
  /** Ends all watches. */
  close(): void
}

/** Makes one without a value. */
export function createLatest<T>(): Latest<T> {
  let current: { readonly value: T } | undefined
  let closed = false
  let changed = Promise.withResolvers<void>()

  const wake = (): void => {
    changed.resolve()
    changed = Promise.withResolvers<void>()
  }

  return {
    get value() {
      return current?.value
    },
    set(value) {
      current = { value }
      wake()
    },
    async *watch(signal) {
      signal.addEventListener('abort', wake)
      try {
        let seen: typeof current
        while (!signal.aborted && !closed) {
          if (current && current !== seen) {
            seen = current
            yield current.value
          } else {
            await changed.promise
          }
        }
      } finally {
        signal.removeEventListener('abort', wake)
      }
    },
    close() {
      closed = true
      wake()
    },
  }
}
