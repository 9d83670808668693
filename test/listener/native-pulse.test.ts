import { describe, expect, it } from 'vitest'
import { manualClock } from '../../src/lib/clock.ts'
import { createSharedState } from '../../src/model/shared-layout.ts'
import { Supervision } from '../../src/runtime/supervision.ts'
import { eventually } from '../support/eventually.ts'
import { libc, nativeEngine, WITHOUT_NATIVE } from '../support/native-engine.ts'
import { createRecordingLogger } from '../support/recording-logger.ts'
import { Trouble } from '../support/trouble.ts'

const WATCHDOG_MS = 8_000
const IDLE = { sessions: 0, listening: 0, listeners: 0, problems: 0, waitingFor: [], unreadSince: () => [] }

describe.skipIf(!libc)(`a native worker${WITHOUT_NATIVE}`, () => {
  it('that stands still keeps the watchdog of a service manager from being fed, until it goes on', async () => {
    const trouble = new Trouble()
    const clock = manualClock()
    const logger = createRecordingLogger()
    const shared = createSharedState({ rows: 1, serviceSlots: 2, endpointSlots: 2, affinityEntries: 32 })
    await using engine = await nativeEngine({ workers: 1, trouble: trouble.words })({ shared, descriptors: 1_000, clock })
    let fed = 0
    const send = (state: string) => {
      if (state === 'WATCHDOG=1') fed++
      return undefined
    }
    using supervision = new Supervision({ send, watchdogMs: WATCHDOG_MS, clock, logger })
    supervision.attach({ read: () => IDLE, pulse: () => engine.pulse() })
    await eventually(() => expect(fed).toBe(1))
    {
      using _held = trouble.hold()
      clock.advance(WATCHDOG_MS / 2)
      await eventually(() => expect(trouble.standing).toBe(true))
      clock.advance(1_000)
      await eventually(() => expect(logger.of('worker.silent')).toHaveLength(1))
      expect(fed).toBe(1)
    }
    clock.advance(WATCHDOG_MS / 8)
    await eventually(() => expect(fed).toBe(2))
    expect(logger.of('worker.answers')).toHaveLength(1)
  })
})
