/** What an agent said; what it said nothing about is left out. */
export interface AgentAnswer {
  /** Of its weight, in a hundredth. */
  readonly percent?: number
  readonly down?: boolean
  /** What it said for people. */
  readonly reason?: string
}

/** Longer answers are none. */
export const MOST_ANSWER_BYTES = 512
const MOST_REASON = 80
const DOWN_WORDS: readonly string[] = ['down', 'fail', 'failed', 'stopped', 'maint']

/** Reads what an agent answered, in HAProxy's words: one line of `75%`, `ready`, `up`, `drain`, `maint`, `down`, `fail`,
 *  `failed` or `stopped`, several of them between spaces, commas or tabs, and a reason behind `#`. `undefined`: none of it
 *  makes sense, and so none of it counts. What stands further to the right goes before. */
export function parseAgentAnswer(bytes: string): AgentAnswer | undefined {
  const line = /^[^\r\n]*/.exec(bytes)?.[0] as string
  const [said = '', ...comment] = line.split('#')
  const words = said.split(/[\s,]+/).filter((word) => word !== '')
  let answer: AgentAnswer = {}
  for (const word of words) {
    const one = meaningOf(word.toLowerCase())
    if (!one) return undefined
    answer = { ...answer, ...one }
  }
  if (words.length === 0) return undefined
  // Somebody else's text: nothing in it may do more than be read.
  const reason = comment
    .join('#')
    .replace(/[^\x20-\x7e]/g, '')
    .trim()
    .slice(0, MOST_REASON)
  return reason === '' ? answer : { ...answer, reason }
}

function meaningOf(word: string): AgentAnswer | undefined {
  if (word === 'up') return { down: false }
  if (word === 'ready') return { down: false, percent: 100 }
  if (word === 'drain') return { percent: 0 }
  if (DOWN_WORDS.includes(word)) return { down: true }
  const percent = /^\d{1,3}%$/.test(word) ? Number(word.slice(0, -1)) : 101
  return percent <= 100 ? { percent } : undefined
}
