import { messageOf } from '../lib/errors.ts'
import type { Problem } from '../model/problem.ts'

/** A problem with a whole file or folder. */
export function fileProblem(severity: Problem['severity'], code: string, place: string, message: string): Problem {
  return { severity, code, place, object: '', field: '', value: '', message }
}

/** A file or folder that the system does not let us read, without the path that Node repeats in its messages. */
export function unreadable(place: string, error: unknown): Problem {
  const [reason] = messageOf(error).split(', ')
  return fileProblem('error', 'file-unreadable', place, `cannot be read: ${reason}`)
}
