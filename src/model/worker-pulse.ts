/** How busy a thread with sessions is; undefined: it is not running, or nobody knows. */
export interface WorkerPulse {
  /** Whether it answered at all; false: it is not running, or was too busy for a second. */
  readonly answered: boolean
  /** CPU time since it began. */
  readonly cpuMs: number | undefined
  /** How long it took to answer, which is how long an event may have to wait. */
  readonly answerMs: number | undefined
}
