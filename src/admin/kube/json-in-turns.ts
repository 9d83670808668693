import type { Clock } from '../../lib/clock.ts'
import { Slices } from '../../lib/steps.ts'

/** The JSON of an answer and a line's end. The members of a list, or the rows of a table, are put into words in slices of
 *  time: thousands of them at once would keep everything else in this thread waiting. They come last. */
export async function jsonInTurns(body: object, clock: Clock): Promise<Buffer> {
  const name = 'rows' in body ? 'rows' : 'items'
  const { [name]: members, ...rest } = body as Readonly<Record<string, unknown>>
  const head = JSON.stringify(rest)
  if (!Array.isArray(members) || head === '{}') return Buffer.from(`${JSON.stringify(body)}\n`)
  const slices = new Slices(clock)
  const parts: Buffer[] = []
  let text = `${head.slice(0, -1)},"${name}":[`
  for (const [n, member] of members.entries()) {
    text += (n === 0 ? '' : ',') + (JSON.stringify(member) ?? 'null')
    if (!slices.isOver()) continue
    parts.push(Buffer.from(text))
    text = ''
    await slices.next()
  }
  parts.push(Buffer.from(`${text}]}\n`))
  return Buffer.concat(parts)
}
