/** Counts lines up to a position of `text`, from 1. Cheap for ascending positions, right for all. A line ends as in YAML:
 *  LF, CR LF or CR. */
export function createLineCounter(text: string): (position: number) => number {
  return text.includes('\r') ? countAllBreaks(text) : countLineFeeds(text)
}

/** From one line feed to the next, without looking at what is between them. */
function countLineFeeds(text: string): (position: number) => number {
  let next = text.indexOf('\n')
  let line = 1
  let last = 0
  return (position) => {
    if (position < last) {
      next = text.indexOf('\n')
      line = 1
    }
    last = position
    for (; next >= 0 && next < position; next = text.indexOf('\n', next + 1)) line++
    return line
  }
}

function countAllBreaks(text: string): (position: number) => number {
  let reached = 0
  let line = 1
  return (position) => {
    if (position < reached) {
      reached = 0
      line = 1
    }
    const until = Math.min(position, text.length)
    for (; reached < until; reached++) {
      const code = text.charCodeAt(reached)
      if (code === 10 || (code === 13 && text.charCodeAt(reached + 1) !== 10)) line++
    }
    return line
  }
}
