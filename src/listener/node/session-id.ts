/** Numbers for sessions, unique in the process: the thread's row in the high part, a count in the low part. */
export function sessionIds(row: number): () => number {
  let count = 0
  const base = row * 2 ** 44
  return () => base + ++count
}
