import type { Output } from '../output.ts'

const CELLS = 30

/** A bar on the terminal that is drawn over again; nothing at all where standard error is none. */
export interface ProgressBar extends Disposable {
  show(done: number, all: number, says: string): void
}

/** Opens one; disposing takes it off the screen. */
export function progressBar(output: Output): ProgressBar {
  let shown = false
  return {
    show(done, all, says) {
      if (!output.terminal) return
      const full = all === 0 ? CELLS : Math.floor((CELLS * Math.max(0, done)) / all)
      output.draw(`\r\x1b[2K[${'#'.repeat(full)}${'.'.repeat(CELLS - full)}] ${says}`)
      shown = true
    },
    [Symbol.dispose]() {
      if (shown) output.draw('\r\x1b[2K')
      shown = false
    },
  }
}
