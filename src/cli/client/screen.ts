import type { Output } from '../output.ts'

const ENTER = '\x1b[?1049h\x1b[?25l'
const LEAVE = '\x1b[?25h\x1b[?1049l'
const HOME = '\x1b[H'
const CLEAR_TO_END_OF_LINE = '\x1b[K'
const CLEAR_BELOW = '\x1b[J'

/** A screen that is drawn over: each line over the one before, so that nothing flickers. Where there is no terminal, every
 *  picture is written below the last one. */
export interface Screen extends Disposable {
  show(lines: readonly string[]): void
}

/** Takes the terminal's other screen until disposed, which brings back what was there. */
export function openScreen(output: Output): Screen {
  const { terminal } = output
  if (terminal) output.draw(ENTER)
  return {
    show(lines) {
      if (!terminal) {
        output.out(lines.join('\n'))
        return
      }
      const shown = lines.slice(0, output.height)
      output.draw(`${HOME}${shown.map((line) => `${line}${CLEAR_TO_END_OF_LINE}`).join('\r\n')}${CLEAR_BELOW}`)
    },
    [Symbol.dispose]() {
      if (terminal) output.draw(LEAVE)
    },
  }
}
