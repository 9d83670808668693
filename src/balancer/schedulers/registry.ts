import type { SchedulerName } from '../../model/service.ts'
import type { Scheduler } from '../picker.ts'
import { roundRobin } from './rr.ts'

/** Every scheduler by its name. */
const SCHEDULERS: { readonly [Name in SchedulerName]?: Scheduler } = {
  rr: roundRobin,
}

/** The scheduler of this name; round robin where there is none yet. */
export function schedulerNamed(name: SchedulerName): Scheduler {
  return SCHEDULERS[name] ?? roundRobin
}

/** Whether there is a scheduler of this name. */
export function hasScheduler(name: SchedulerName): boolean {
  return SCHEDULERS[name] !== undefined
}
