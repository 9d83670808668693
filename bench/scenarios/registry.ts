import { bulkScenarios } from './bulk.ts'
import { connections, keepAlive, keepAliveTwoWorkers } from './http.ts'
import { idleSessions } from './idle-sessions.ts'
import { halfLoad, mixed } from './latency.ts'
import { reload } from './reload.ts'
import { scaleScenarios } from './scale.ts'
import type { Scenario } from './scenario.ts'
import { startUp } from './start-up.ts'
import { udpRoundTripScenarios, udpStreamScenarios } from './udp.ts'

/** Every scenario, in the order they are run. */
export const SCENARIOS: readonly Scenario[] = [
  keepAlive,
  connections,
  ...bulkScenarios,
  ...udpRoundTripScenarios,
  ...udpStreamScenarios,
  halfLoad,
  mixed,
  reload,
  ...scaleScenarios,
  idleSessions,
  startUp,
  keepAliveTwoWorkers,
]
