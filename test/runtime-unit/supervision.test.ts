import { beforeEach, describe, expect, it } from 'vitest'
import { type ManualClock, manualClock } from '../../src/lib/clock.ts'
import { type SupervisedReading, Supervision } from '../../src/runtime/supervision.ts'
import { createRecordingLogger, type RecordingLogger } from '../support/recording-logger.ts'
import { settle } from '../support/settle.ts'

const WATCHDOG_MS = 20_000
const EXTEND = 'EXTEND_TIMEOUT_USEC=30000000'
const IDLE = { sessions: 0, listening: 2, listeners: 2, problems: 0, waitingFor: [] }

let clock: ManualClock
let logger: RecordingLogger
let sent: string[]
let reading: Omit<SupervisedReading, 'unreadSince'>
let unread: readonly string[]
let answered: boolean[]
let refusal: string | undefined

beforeEach(() => {
  clock = manualClock()
  logger = createRecordingLogger()
  sent = []
  reading = IDLE
  unread = []
  answered = [true, true]
  refusal = undefined
})

function open(watchdogMs?: number): Supervision {
  const send = (state: string) => {
    if (refusal === undefined) sent.push(state)
    return refusal
  }
  const supervision = new Supervision({ send, watchdogMs, clock, logger })
  supervision.attach({
    read: () => ({ ...reading, unreadSince: () => unread }),
    pulse: async () => answered.map((one) => ({ answered: one, cpuMs: 0, answerMs: 0 })),
  })
  return supervision
}

/** Everything sent since this was called last. */
const taken = () => sent.splice(0)

/** Moves time on, and lets answers of threads arrive. */
async function pass(ms: number): Promise<void> {
  clock.advance(ms)
  await settle()
}

const fed = () => taken().filter((state) => state === 'WATCHDOG=1').length

describe('supervision', () => {
  it('says what it waits for and asks for time until it is ready', () => {
    reading = { ...IDLE, listening: 0, listeners: 0, waitingFor: ['/etc/portald'] }
    using supervision = open()
    expect(taken()).toEqual([
      `${EXTEND}\nSTATUS=starting, waiting for /etc/portald, 0 sessions, 0 of 0 addresses listening, 0 problems`,
    ])
    clock.advance(5_000)
    expect(taken()).toEqual([EXTEND])
    reading = IDLE
    supervision.ready()
    expect(taken()).toEqual(['READY=1', 'STATUS=0 sessions, 2 of 2 addresses listening, 0 problems'])
    clock.advance(60_000)
    expect(taken()).toEqual([])
  })

  it('says what changed, at most once in five seconds', () => {
    using supervision = open()
    supervision.ready()
    taken()
    for (let second = 1; second <= 10; second++) {
      reading = { ...IDLE, sessions: second, problems: 1 }
      clock.advance(1_000)
    }
    expect(taken()).toEqual([
      'STATUS=5 sessions, 2 of 2 addresses listening, 1 problem',
      'STATUS=10 sessions, 2 of 2 addresses listening, 1 problem',
    ])
  })

  it('is reloading until every source was read again', () => {
    using supervision = open()
    supervision.ready()
    taken()
    clock.advance(1_000)
    taken()
    unread = ['a']
    supervision.reload()
    expect(taken()).toEqual(['RELOADING=1\nMONOTONIC_USEC=1000000'])
    clock.advance(1_000)
    expect(taken().filter((state) => state.includes('READY'))).toEqual([])
    unread = []
    clock.advance(100)
    expect(taken()).toEqual(['READY=1'])
    expect(logger.of('proxy.reloaded').map(({ level }) => level)).toEqual(['info'])
  })

  it('waits for a source that cannot be read no longer than a few seconds', () => {
    using supervision = open()
    supervision.ready()
    unread = ['cluster']
    supervision.reload()
    taken()
    clock.advance(6_000)
    expect(taken()).toContain('READY=1')
    expect(logger.of('proxy.reloaded')).toMatchObject([{ level: 'warn', fields: { unread: ['cluster'] } }])
  })

  it('says that it stops, once, and asks for time while sessions go on', () => {
    using supervision = open()
    supervision.ready()
    supervision.reload()
    taken()
    reading = { ...IDLE, sessions: 3 }
    supervision.drain()
    supervision.drain()
    supervision.ready()
    supervision.reload()
    expect(taken()).toEqual(['STOPPING=1', `${EXTEND}\nSTATUS=draining, 3 sessions, 2 of 2 addresses listening, 0 problems`])
    clock.advance(10_000)
    expect(taken()).toEqual([EXTEND, EXTEND])
  })

  it('feeds the watchdog at half its time while every thread answers', async () => {
    using _supervision = open(WATCHDOG_MS)
    await pass(0)
    expect(fed()).toBe(1)
    for (let half = 0; half < 6; half++) await pass(WATCHDOG_MS / 2)
    expect(fed()).toBe(6)
  })

  it('does not feed the watchdog while one thread hangs, and does as soon as it answers again', async () => {
    using _supervision = open(WATCHDOG_MS)
    await pass(0)
    taken()
    answered = [true, false]
    for (let part = 0; part < 40; part++) await pass(WATCHDOG_MS / 10)
    expect(fed()).toBe(0)
    expect(logger.of('worker.silent')).toHaveLength(1)
    answered = [true, true]
    await pass(WATCHDOG_MS / 8)
    expect(fed()).toBe(1)
    expect(logger.of('worker.answers')).toHaveLength(1)
  })

  it('does not feed a watchdog that nobody asked for, nor after its end', async () => {
    const supervision = open()
    for (let part = 0; part < 10; part++) await pass(WATCHDOG_MS)
    expect(fed()).toBe(0)
    supervision[Symbol.dispose]()
    expect(clock.pending).toBe(0)
  })

  it('tells again what could not be told, and complains once', () => {
    using supervision = open()
    taken()
    refusal = 'sendmsg: EAGAIN'
    supervision.ready()
    clock.advance(10_000)
    expect(taken()).toEqual([])
    refusal = undefined
    clock.advance(5_000)
    expect(taken()).toEqual(['READY=1\nSTATUS=0 sessions, 2 of 2 addresses listening, 0 problems'])
    expect(logger.of('supervisor.failed')).toHaveLength(1)
  })

  it('keeps its words in one line', () => {
    reading = { ...IDLE, waitingFor: ['a\nREADY=1'] }
    using _supervision = open()
    expect(taken().join()).not.toContain('\nREADY=1')
  })

  it('tells nobody where there is no service manager', async () => {
    using supervision = new Supervision({ send: undefined, watchdogMs: undefined, clock, logger })
    supervision.attach({ read: () => ({ ...reading, unreadSince: () => unread }), pulse: async () => [] })
    supervision.ready()
    supervision.drain()
    expect([clock.pending, logger.lines]).toEqual([0, []])
  })
})
