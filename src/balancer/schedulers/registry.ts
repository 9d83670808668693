import type { SchedulerName } from '../../model/service.ts'
import type { Scheduler } from '../picker.ts'
import { leastConnections, neverQueue, shortestExpectedDelay, weightedLeastConnections } from './least-load.ts'
import { maglevHashing } from './mh.ts'
import { powerOfTwoChoices, random } from './random.ts'
import { roundRobin } from './rr.ts'
import { destinationHashing, sourceHashing } from './sh.ts'
import { weightedRoundRobin } from './wrr.ts'

/** Every scheduler by its name. */
const SCHEDULERS: { readonly [Name in SchedulerName]: Scheduler } = {
  rr: roundRobin,
  wrr: weightedRoundRobin,
  lc: leastConnections,
  wlc: weightedLeastConnections,
  sed: shortestExpectedDelay,
  nq: neverQueue,
  sh: sourceHashing,
  dh: destinationHashing,
  mh: maglevHashing,
  p2c: powerOfTwoChoices,
  random,
}

export function schedulerNamed(name: SchedulerName): Scheduler {
  return SCHEDULERS[name]
}
