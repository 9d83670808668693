/** A timer may be early by a rounding. */
export const EARLY_MS = 5

/** Lets time pass: for clients that stay away. Waiting for something to happen is `eventually`'s. */
export async function pass(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms))
}
