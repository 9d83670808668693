import { spawnSync } from 'node:child_process'
import { parseArgs } from 'node:util'
import { createPicker } from '../../src/balancer/tiers.ts'
import { seededRandom } from '../../src/lib/random.ts'
import type { RouteEndpoint } from '../../src/model/delta.ts'
import type { Ip } from '../../src/model/keys.ts'
import { SCHEDULER_NAMES, type SchedulerName } from '../../src/model/service.ts'
import type { ClientAddress, Tried } from '../../src/model/session.ts'
import { createSharedState, groupOf, ledgerViews } from '../../src/model/shared-layout.ts'

/** What a pick costs in processor time, and whether it allocates, by scheduler. Each runs in a process of its own, as a thread of the proxy
 *  mostly knows one. Run: node bench/micro/pick.ts [--endpoints 1000] [--threads 1] [--scheduler wlc] */
const { values } = parseArgs({
  options: {
    endpoints: { type: 'string', default: '1000' },
    threads: { type: 'string', default: '1' },
    scheduler: { type: 'string' },
  },
})
const ROUNDS = 7
const BEGIN = 'begin'
/** Clients, and sessions that run, less one. */
const MASK = 4_095
const NOBODY: readonly Tried[] = []
const PICKS = 1_000_000
const MOST_WEIGHT = 10
const MOST_SESSIONS = 100

function measure(scheduler: SchedulerName, count: number, threads: number) {
  const chance = seededRandom(1)
  const shared = createSharedState({
    rows: threads,
    serviceSlots: 2,
    endpointSlots: count,
    affinityEntries: 32,
    recordsPerRing: 2,
  })
  const ledger = ledgerViews(shared)
  const endpoints: RouteEndpoint[] = Array.from({ length: count }, (_, slot) => {
    const ip = `10.1.${slot >> 8}.${slot & 255}` as Ip
    for (const { active } of ledger.rows) active[slot] = 1 + chance.below(MOST_SESSIONS)
    return {
      slot,
      key: `${ip}:80/TCP` as RouteEndpoint['key'],
      address: { ip, port: 80 as RouteEndpoint['address']['port'] },
      weight: 1 + chance.below(MOST_WEIGHT),
      backup: false,
    }
  })
  const picker = createPicker(scheduler, endpoints, {
    ledger,
    row: 0,
    serviceSlot: 1,
    rotation: 8,
    ip: '10.96.0.1' as Ip,
    panicPercent: 0,
    random: seededRandom(2),
    now: () => performance.now(),
  })
  const { active, changes } = ledger.rows[0] as (typeof ledger.rows)[number]
  const tally = (slot: number, change: number) => {
    active[slot] = (active[slot] as number) + change
    changes[groupOf(slot)] = (changes[groupOf(slot)] as number) + 1
  }
  const clients = Array.from({ length: MASK + 1 }, (_, n) => ({
    word0: 0,
    word1: 0,
    word2: 0xffff,
    word3: 0x0a000000 + Math.imul(n, 40_503),
    port: 1,
  }))
  /** Sessions that last for a while: each begins where one picked some time before ends. */
  const running = new Int32Array(MASK + 1).fill(-1)
  let next = 0
  const run = () => {
    for (let n = 0; n < PICKS; n++) {
      const position = picker.pick(clients[n & MASK] as ClientAddress, NOBODY)
      const slot = (endpoints[position] as RouteEndpoint).slot
      tally(slot, 1)
      const ended = running[next] as number
      if (ended >= 0) tally(ended, -1)
      running[next] = slot
      next = (next + 1) & MASK
    }
  }
  run()
  run()
  const times: number[] = []
  console.log(BEGIN)
  for (let round = 0; round < ROUNDS; round++) {
    const before = process.threadCpuUsage()
    run()
    const { user, system } = process.threadCpuUsage(before)
    times.push(((user + system) * 1e3) / PICKS)
  }
  times.sort((a, b) => a - b)
  return { scheduler, ns: Math.round(times[ROUNDS >> 1] as number), worstNs: Math.round(times[ROUNDS - 1] as number) }
}

if (values.scheduler === undefined) {
  console.log(
    `${values.endpoints} endpoints, ${values.threads} threads that count sessions, ${ROUNDS} rounds of a million picks.\n`,
  )
  console.log('| scheduler | ns a pick, median | worst round | garbage collections |\n| --- | ---: | ---: | ---: |')
  for (const name of SCHEDULER_NAMES) {
    const args = [
      '--trace-gc',
      import.meta.filename,
      '--scheduler',
      name,
      '--endpoints',
      values.endpoints,
      '--threads',
      values.threads,
    ]
    const { stdout } = spawnSync(process.execPath, args, { encoding: 'utf8' })
    const lines = stdout.slice(stdout.indexOf(BEGIN)).trim().split('\n')
    const collections = lines.filter((line) => line.includes(' ms: ')).length
    console.log(`${lines.find((line) => line.startsWith('|'))} ${collections} |`)
  }
} else {
  const { scheduler, ns, worstNs } = measure(values.scheduler as SchedulerName, Number(values.endpoints), Number(values.threads))
  console.log(`| ${scheduler} | ${ns} | ${worstNs} |`)
}
