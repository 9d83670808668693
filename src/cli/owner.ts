import type { ProcessOwner } from '../model/admin-address.ts'

/** Whose process this is. */
export function thisProcess(): ProcessOwner {
  return { uid: process.getuid?.() ?? 0, variables: process.env }
}
