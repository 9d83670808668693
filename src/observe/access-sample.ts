import type { SessionEnd } from '../model/session.ts'

const WELL: ReadonlySet<SessionEnd> = new Set(['client-closed', 'endpoint-closed', 'completed'])

/** Which sessions the access log tells of, when it tells of one in `every` that ended well: the others are the ones that
 *  anybody looks for, and are all told of. The number of the session decides, so that whoever knows it knows whether there is a
 *  line. */
export function accessSample(every: number): (id: number, end: SessionEnd) => boolean {
  return (id, end) => id % every === 0 || !WELL.has(end)
}
