import { it } from 'vitest'
import type { Capability } from '../../src/listener/listener.ts'
import { EngineWorld, type OpenTestEngine, type WorldOptions } from '../support/engine-world.ts'
import { attemptCases } from './engine-attempts.cases.ts'
import { endCases } from './engine-ends.cases.ts'
import { fuzzCases } from './engine-fuzz.cases.ts'
import { lifeCases } from './engine-life.cases.ts'
import { limitCases } from './engine-limits.cases.ts'
import { listCases } from './engine-list.cases.ts'
import { listenerCases } from './engine-listeners.cases.ts'
import { proxyCases } from './engine-proxy.cases.ts'
import { queueCases } from './engine-queue.cases.ts'
import { tcpCases } from './engine-tcp.cases.ts'
import { udpCases } from './engine-udp.cases.ts'

/** Which engine is under test, and where. */
export interface EngineSuite extends Omit<WorldOptions, 'openEngine' | 'descriptors'> {
  /** What it says it can; the suite holds it to that. */
  readonly can: readonly Capability[]
}

/** What the cases need to know. */
export interface Cases {
  readonly workers: number
  readonly can: ReadonlySet<Capability>
  /** Opens an engine with a world around it. */
  open(options?: Pick<WorldOptions, 'descriptors'>): Promise<EngineWorld>
  /** A case that only engines with this capability pass; one that passes it without saying so fails. */
  itCan(capability: Capability, name: string, run: () => Promise<void>): void
}

/** The behaviour that every engine keeps. */
export function engineCases(openEngine: OpenTestEngine, suite: EngineSuite): void {
  const can = new Set(suite.can)
  const cases: Cases = {
    workers: suite.workers,
    can,
    open: (options) => EngineWorld.open({ ...suite, ...options, openEngine }),
    itCan: (capability, name, run) =>
      can.has(capability) ? it(name, run) : it.fails(`${name} (not without ${capability})`, run),
  }
  tcpCases(cases)
  endCases(cases)
  lifeCases(cases)
  attemptCases(cases)
  listenerCases(cases)
  listCases(cases)
  limitCases(cases)
  proxyCases(cases)
  queueCases(cases)
  udpCases(cases)
  fuzzCases(cases)
}
