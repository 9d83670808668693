import { parseArgs } from 'node:util'
import { createPicker } from '../../src/balancer/tiers.ts'
import { seededRandom, systemRandom } from '../../src/lib/random.ts'
import type { RouteEndpoint } from '../../src/model/delta.ts'
import type { Ip } from '../../src/model/keys.ts'
import { SCHEDULER_NAMES, type SchedulerName } from '../../src/model/service.ts'
import { createSharedState, groupOf, ledgerViews } from '../../src/model/shared-layout.ts'

/** What a pick costs in processor time and in memory, by scheduler. Each runs in a process of its own, as a thread of the proxy
 *  mostly knows one. Run: node bench/micro/pick.ts [--endpoints 1000] [--threads 1] [--scheduler wlc] */
const { values } = parseArgs({
  options: {
    endpoints: { type: 'string', default: '1000' },
    threads: { type: 'string', default: '1' },
    scheduler: { type: 'string' },
  },
})
const ROUNDS = 7
const PICKS = 100_000
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
    random: systemRandom,
    now: () => performance.now(),
  })
  const { active, changes } = ledger.rows[0] as (typeof ledger.rows)[number]
  const tally = (slot: number, change: number) => {
    active[slot] = (active[slot] as number) + change
    changes[groupOf(slot)] = (changes[groupOf(slot)] as number) + 1
  }
  const client = { word0: 0, word1: 0, word2: 0xffff, word3: 0, port: 1 }
  /** Sessions that last for a while: each begins where one picked some time before ends. */
  const running = new Int32Array(4_096).fill(-1)
  let next = 0
  const run = () => {
    for (let n = 0; n < PICKS; n++) {
      client.word3 = (0x0a000000 + Math.imul(n, 2654435761)) | 0
      const slot = (endpoints[picker.pick(client, [])] as RouteEndpoint).slot
      tally(slot, 1)
      const ended = running[next] as number
      if (ended >= 0) tally(ended, -1)
      running[next] = slot
      next = (next + 1) & 4_095
    }
  }
  run()
  run()
  const times: number[] = []
  const heapBefore = process.memoryUsage().heapUsed
  for (let round = 0; round < ROUNDS; round++) {
    const before = process.threadCpuUsage()
    run()
    const { user, system } = process.threadCpuUsage(before)
    times.push(((user + system) * 1e3) / PICKS)
  }
  const bytes = (process.memoryUsage().heapUsed - heapBefore) / (ROUNDS * PICKS)
  times.sort((a, b) => a - b)
  return { scheduler, ns: Math.round(times[ROUNDS >> 1] as number), worstNs: Math.round(times[ROUNDS - 1] as number), bytes }
}

if (values.scheduler === undefined) {
  const { spawnSync } = await import('node:child_process')
  console.log(
    `${values.endpoints} endpoints, ${values.threads} threads counting; ${PICKS} picks a round, the median and the worst of ${ROUNDS}`,
  )
  for (const name of SCHEDULER_NAMES) {
    const args = [import.meta.filename, '--scheduler', name, '--endpoints', values.endpoints, '--threads', values.threads]
    process.stdout.write(spawnSync(process.execPath, args, { encoding: 'utf8' }).stdout)
  }
} else {
  const { scheduler, ns, worstNs, bytes } = measure(
    values.scheduler as SchedulerName,
    Number(values.endpoints),
    Number(values.threads),
  )
  console.log(
    `${scheduler.padEnd(6)} ${String(ns).padStart(6)} ns  worst ${String(worstNs).padStart(6)} ns  ${bytes.toFixed(2)} bytes`,
  )
}
