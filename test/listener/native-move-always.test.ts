import { describe, it } from 'vitest'
import { keepMoving, openMovable } from '../support/moving.ts'
import { libc, WITHOUT_NATIVE } from '../support/native-engine.ts'
import type { Cases } from './engine.cases.ts'
import { endCases } from './engine-ends.cases.ts'
import { fuzzCases } from './engine-fuzz.cases.ts'
import { tcpCases } from './engine-tcp.cases.ts'

const WHERE = { network: '127.42.9', firstPort: 23_000 }

/** What every engine keeps, with sessions that are moved from worker to worker all the time. */
const cases: Cases = {
  workers: 2,
  can: new Set(['exact-reset', 'pause-accept', 'keep-parked-address']),
  async open(options) {
    const { world, engine } = await openMovable({ ...WHERE, ...options })
    return world.keepNow(Object.assign(keepMoving(engine), { world })).world
  },
  itCan: (_, name, run) => it(name, run),
}

describe.skipIf(!libc)(`sessions that are always on the move${WITHOUT_NATIVE}`, () => {
  tcpCases(cases)
  endCases(cases)
  fuzzCases(cases)
})
