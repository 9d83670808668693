import { direct } from './direct.ts'
import { haproxy, haproxySplice } from './haproxy.ts'
import { nginx } from './nginx.ts'
import { plainPipe } from './plain-pipe.ts'
import { portaldSubject } from './portald.ts'
import type { Subject } from './subject.ts'

export interface SubjectOptions {
  readonly tree: string
  /** Another working tree to compare with, and what to call it. */
  readonly baseline: { readonly tree: string; readonly label: string } | undefined
}

/** Every subject, in the order of the table. */
export function allSubjects({ tree, baseline }: SubjectOptions): Subject[] {
  const ours = (['native', 'node'] as const).flatMap((engine) => {
    const name = `ours-${engine}`
    const here = portaldSubject({ name, engine, tree })
    return baseline ? [here, portaldSubject({ name: `${name}@${baseline.label}`, engine, tree: baseline.tree })] : [here]
  })
  return [...ours, haproxy, haproxySplice, nginx, plainPipe, direct]
}
