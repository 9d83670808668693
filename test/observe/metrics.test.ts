import { readFileSync } from 'node:fs'
import { beforeEach, describe, expect, it } from 'vitest'
import { manualClock } from '../../src/lib/clock.ts'
import type { HealthTotals } from '../../src/model/health.ts'
import type { ServicePortKey } from '../../src/model/keys.ts'
import { SESSION_ENDS, sessionEndNumber } from '../../src/model/session.ts'
import {
  connectBucketCell,
  createSharedState,
  endCell,
  endpointBase,
  endpointCell,
  ledgerViews,
  SERVICE_COUNTERS,
  type ServiceCounter,
  serviceBase,
  serviceCell,
} from '../../src/model/shared-layout.ts'
import { lineViews } from '../../src/model/shared-lines.ts'
import { serviceTotals } from '../../src/observe/ledger-totals.ts'
import { LOG_EVENTS } from '../../src/observe/log-events.ts'
import { METRICS, type MetricDefinition } from '../../src/observe/metric-table.ts'
import { createMetrics, type MetricsReading } from '../../src/observe/metrics.ts'

function ledger(rows = 2, serviceSlots = 8) {
  return ledgerViews(createSharedState({ rows, serviceSlots, endpointSlots: 4, affinityEntries: 32, recordsPerRing: 2 }))
}
type Ledger = ReturnType<typeof ledger>

const HEALTH: HealthTotals = {
  service: 'default/web:http/TCP' as ServicePortKey,
  states: { up: 3, down: 1, ejected: 0 },
  changes: { up: 4, down: 5, ejected: 6 },
  checks: { good: 13, bad: 14 },
}

function add(views: Ledger, row: number, slot: number, cell: number, value: number): void {
  const services = views.rows[row]?.services as Float64Array
  services[serviceBase(slot) + cell] = (services[serviceBase(slot) + cell] ?? 0) + value
}

const pulse = async () => [
  { cpuMs: 1500, answerMs: 2 },
  { cpuMs: undefined, answerMs: undefined },
]

function reading(more: Partial<MetricsReading> = {}): MetricsReading {
  return {
    build: { version: '0.1.0', engine: 'node', workers: 1 },
    ledger: ledger(),
    lines: lineViews(
      createSharedState({ rows: 2, serviceSlots: 1024, endpointSlots: 1, affinityEntries: 32, recordsPerRing: 2 }),
    ),
    services: [],
    endpoints: undefined,
    health: [],
    affinity: { entries: 0, evictions: 0 },
    clients: { entries: 0, evictions: 0, uncounted: 0 },
    listeners: new Map(),
    sources: [],
    problems: { error: 0, warning: 0 },
    snapshotRevision: 0,
    vips: 0,
    recordsDropped: 0,
    accessLogDropped: 0,
    noLocalEndpoints: { internal: { IPv4: 0, IPv6: 0 }, external: { IPv4: 0, IPv6: 0 } },
    changes: { services: { total: 0, pending: 0 }, endpoints: { total: 0, pending: 0 } },
    ...more,
  }
}

describe('ledger totals', () => {
  it('adds up the rows of one Service port and no other', () => {
    const views = ledger(3)
    for (const row of [0, 1, 2]) {
      for (const [n, counter] of SERVICE_COUNTERS.entries()) add(views, row, 4, serviceCell(counter), (n + 1) * 10 ** row)
      add(views, row, 4, endCell(sessionEndNumber('completed')), 1)
      add(views, row, 4, connectBucketCell(0.5), 2)
      add(views, row, 4, connectBucketCell(60_000), 3)
      for (const slot of [3, 5]) for (let cell = 0; cell < 60; cell++) add(views, row, slot, cell, 1e6)
    }
    const totals = serviceTotals(views, 4)
    const expected = SERVICE_COUNTERS.map((counter, n) => [counter, (n + 1) * 111] satisfies [ServiceCounter, number])
    expect(totals.counters).toEqual(Object.fromEntries(expected))
    expect(totals.ends).toEqual(SESSION_ENDS.map((end) => (end === 'completed' ? 3 : 0)))
    expect(totals.connectTimes).toEqual([6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9])
  })
})

describe('metrics', () => {
  const clock = manualClock(1_700_000_000_000)
  let now: MetricsReading
  let metrics: ReturnType<typeof createMetrics>
  const scraped = async () => (await metrics.scrape()).split('\n')

  beforeEach(() => {
    now = reading()
    metrics = createMetrics({ source: { read: () => now, pulse }, clock, processMetrics: false })
  })

  it('are Prometheus text', async () => {
    expect(metrics.contentType).toBe('text/plain; version=0.0.4; charset=utf-8')
    now = reading({ services: [{ slot: 0, key: 'default/web:http/TCP' }] })
    for (const line of await scraped()) {
      expect(line).toMatch(/^$|^# (HELP|TYPE) \w+ .+$|^\w+(\{\w+="[^"]*"(,\w+="[^"]*")*\})? [-+.\deInf]+$/)
    }
  })

  it('are each told with the type and help of the table, once', async () => {
    now = reading({ endpoints: [] })
    const text = await metrics.scrape()
    for (const [name, { type, help }] of Object.entries(METRICS)) {
      expect(text.split(`# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`)).toHaveLength(2)
    }
    expect([...text.matchAll(/# TYPE (\w+)/g)].map((match) => match[1]).sort()).toEqual(Object.keys(METRICS).sort())
  })

  it('have no label that the table does not list', async () => {
    now = reading({
      services: [
        { slot: 0, key: 'default/web:http/TCP' },
        { slot: 1, key: 'default/dns:dns/UDP' },
      ],
      endpoints: [{ slot: 0, service: 'default/web:http/TCP', key: '10.1.0.1:8080/TCP' }],
      health: [HEALTH],
      listeners: new Map([['listening', 1]]),
      sources: [{ name: 'a.yaml', synced: true, readAtMs: 0 }],
    })
    for (const slot of [0, 1]) for (let cell = 0; cell < 60; cell++) add(now.ledger, 0, slot, cell, 1)
    now.lines.rows[0]?.counters.fill(1)
    metrics.syncQueued(['IPv4'])
    metrics.syncFinished(1, ['IPv4'])
    metrics.programmed(1, ['IPv4'])
    metrics.probed('/healthz', 200)
    metrics.probed('/livez', 200)
    const seen = new Map<string, Set<string>>()
    for (const line of await scraped()) {
      const name = /^\w+/.exec(line)?.[0]
      if (name === undefined) continue
      const base = name in METRICS ? name : name.replace(/_(bucket|sum|count)$/, '')
      const labels = seen.get(base) ?? new Set()
      for (const [, label] of line.matchAll(/[{,](\w+)="/g)) if (label !== 'le') labels.add(label as string)
      seen.set(base, labels)
    }
    for (const [name, { labels }] of Object.entries(METRICS)) expect([name, [...(seen.get(name) ?? [])]]).toEqual([name, labels])
  })

  it('count what a Service port did, on all rows', async () => {
    now = reading({ services: [{ slot: 2, key: 'default/web:http/TCP' }] })
    const counters = { sessions: 3, active: 1, bytesFromClient: 10, bytesFromEndpoint: 20, attempts: 5, attemptFailures: 2 }
    for (const [counter, value] of Object.entries(counters)) {
      for (const row of [0, 1]) add(now.ledger, row, 2, serviceCell(counter as ServiceCounter), value)
    }
    add(now.ledger, 1, 2, endCell(sessionEndNumber('client-reset')), 4)
    const lines = await scraped()
    const web = 'service="default/web:http",protocol="TCP"'
    expect(lines).toEqual(
      expect.arrayContaining([
        `portald_sessions_total{${web}} 6`,
        `portald_sessions_active{${web}} 2`,
        `portald_bytes_total{${web},direction="from-client"} 20`,
        `portald_bytes_total{${web},direction="from-endpoint"} 40`,
        `portald_dial_attempts_total{${web}} 10`,
        `portald_dial_failures_total{${web}} 4`,
        `portald_session_ends_total{${web},end="client-reset"} 4`,
      ]),
    )
    expect(lines.filter((line) => line.startsWith('portald_session_ends_total'))).toHaveLength(1)
    expect(lines.filter((line) => line.startsWith('portald_datagrams_total'))).toEqual([])
  })

  it('count datagrams and evictions of UDP ports', async () => {
    now = reading({ services: [{ slot: 1, key: 'kube-system/dns:dns/UDP' }] })
    add(now.ledger, 0, 1, serviceCell('datagramsFromClient'), 7)
    add(now.ledger, 0, 1, serviceCell('udpEvictions'), 2)
    const lines = await scraped()
    const dns = 'service="kube-system/dns:dns",protocol="UDP"'
    expect(lines).toContain(`portald_datagrams_total{${dns},direction="from-client"} 7`)
    expect(lines).toContain(`portald_udp_evictions_total{${dns}} 2`)
  })

  it('tell connect times as a cumulative histogram in seconds', async () => {
    now = reading({ services: [{ slot: 0, key: 'default/web:http/TCP' }] })
    for (const ms of [0.3, 4, 4, 700, 9000]) add(now.ledger, 0, 0, connectBucketCell(ms), 1)
    add(now.ledger, 0, 0, serviceCell('connectMsSum'), 9708.3)
    const lines = (await scraped()).filter((line) => line.startsWith('portald_connect_seconds'))
    const web = 'service="default/web:http",protocol="TCP"'
    expect(lines.map((line) => line.replace('portald_connect_seconds', ''))).toEqual([
      ...[
        ['0.001', 1],
        ['0.002', 1],
        ['0.005', 3],
        ['0.01', 3],
        ['0.025', 3],
        ['0.05', 3],
        ['0.1', 3],
        ['0.25', 3],
        ['0.5', 3],
        ['1', 4],
        ['2.5', 4],
        ['5', 4],
        ['+Inf', 5],
      ].map(([le, count]) => `_bucket{${web},le="${le}"} ${count}`),
      `_sum{${web}} 9.7083`,
      `_count{${web}} 5`,
    ])
  })

  it('forget a Service that left', async () => {
    now = reading({ services: [{ slot: 0, key: 'default/web:http/TCP' }], listeners: new Map([['failed', 1]]) })
    expect(await metrics.scrape()).toContain('default/web')
    now = reading()
    const text = await metrics.scrape()
    expect(text).not.toContain('default/web')
    expect(text).not.toContain('state="failed"')
  })

  it('escape what a name may contain', async () => {
    now = reading({ services: [{ slot: 0, key: 'a"b\\c\nd:80/TCP' }] })
    expect(await scraped()).toContain('portald_sessions_total{service="a\\"b\\\\c\\nd:80",protocol="TCP"} 0')
  })

  it('tell of build, sources, listeners, problems, affinity and changes', async () => {
    now = reading({
      build: { version: '1.2.3', engine: 'native', workers: 4 },
      sources: [
        { name: 'a.yaml', synced: true, readAtMs: clock.wall() - 2500 },
        { name: 'b.yaml', synced: false, readAtMs: undefined },
      ],
      listeners: new Map([['listening', 5]]),
      problems: { error: 1, warning: 2 },
      health: [HEALTH],
      affinity: { entries: 6, evictions: 7 },
      clients: { entries: 11, evictions: 12, uncounted: 13 },
      snapshotRevision: 8,
      vips: 3,
      recordsDropped: 9,
      accessLogDropped: 10,
      changes: { services: { total: 11, pending: 1 }, endpoints: { total: 12, pending: 2 } },
    })
    await metrics.scrape()
    expect(await scraped()).toEqual(
      expect.arrayContaining([
        'portald_build_info{version="1.2.3",engine="native",workers="4"} 1',
        'portald_source_synced{source="a.yaml"} 1',
        'portald_source_synced{source="b.yaml"} 0',
        'portald_source_age_seconds{source="a.yaml"} 2.5',
        'portald_listeners{state="listening"} 5',
        'portald_problems{severity="error"} 1',
        'portald_problems{severity="warning"} 2',
        'portald_endpoints{service="default/web:http",protocol="TCP",state="up"} 3',
        'portald_endpoints{service="default/web:http",protocol="TCP",state="ejected"} 0',
        'portald_endpoint_changes_total{service="default/web:http",protocol="TCP",state="down"} 5',
        'portald_checks_total{service="default/web:http",protocol="TCP",result="good"} 13',
        'portald_checks_total{service="default/web:http",protocol="TCP",result="bad"} 14',
        'portald_affinity_entries 6',
        'portald_affinity_evictions_total 7',
        'portald_limited_clients 11',
        'portald_limited_client_evictions_total 12',
        'portald_uncounted_sessions_total 13',
        'portald_snapshot_revision 8',
        'portald_vips 3',
        'portald_records_dropped_total 9',
        'portald_access_log_dropped_total 10',
        'kubeproxy_sync_proxy_rules_service_changes_total 11',
        'kubeproxy_sync_proxy_rules_service_changes_pending 1',
        'kubeproxy_sync_proxy_rules_endpoint_changes_total 12',
        'kubeproxy_sync_proxy_rules_endpoint_changes_pending 2',
      ]),
    )
  })

  it('time changes per address family as kube-proxy does', async () => {
    metrics.syncQueued(['IPv4', 'IPv6'])
    metrics.syncFinished(3, ['IPv4'])
    metrics.programmed(700, ['IPv6'])
    metrics.probed('/healthz', 503)
    metrics.probed('/livez', 200)
    expect(await scraped()).toEqual(
      expect.arrayContaining([
        'kubeproxy_sync_proxy_rules_last_queued_timestamp_seconds{ip_family="IPv4"} 1700000000',
        'kubeproxy_sync_proxy_rules_last_timestamp_seconds{ip_family="IPv4"} 1700000000',
        'kubeproxy_sync_proxy_rules_duration_seconds_bucket{le="0.002",ip_family="IPv4"} 0',
        'kubeproxy_sync_proxy_rules_duration_seconds_bucket{le="0.004",ip_family="IPv4"} 1',
        'kubeproxy_network_programming_duration_seconds_bucket{le="0.5",ip_family="IPv6"} 0',
        'kubeproxy_network_programming_duration_seconds_bucket{le="1",ip_family="IPv6"} 1',
        'kubeproxy_proxy_healthz_total{code="503"} 1',
        'kubeproxy_proxy_livez_total{code="200"} 1',
      ]),
    )
  })

  it('tell how busy threads with sessions are, as far as it is known', async () => {
    const lines = await scraped()
    expect(lines).toEqual(
      expect.arrayContaining([
        'portald_worker_cpu_seconds_total{worker="0"} 1.5',
        'portald_worker_answer_seconds{worker="0"} 0.002',
      ]),
    )
    expect(lines.filter((line) => line.includes('worker="1"'))).toEqual([])
  })

  it('tell of single endpoints only where that is wanted', async () => {
    expect((await scraped()).filter((line) => line.includes('portald_endpoint_sessions'))).toEqual([])
    const views = ledger()
    const [row] = views.rows
    const base = endpointBase(1)
    if (!row) throw new Error('no row')
    row.active[1] = 2
    row.endpoints[base + endpointCell('sessions')] = 7
    row.endpoints[base + endpointCell('bytesFromEndpoint')] = 1024
    row.endpoints[base + endpointCell('timedOut')] = 4
    now = reading({ ledger: views, endpoints: [{ slot: 1, service: 'default/web:http/TCP', key: '[2001:db8::1]:8080/TCP' }] })
    const labels = 'service="default/web:http",protocol="TCP",endpoint="[2001:db8::1]:8080"'
    expect(await scraped()).toEqual(
      expect.arrayContaining([
        `portald_endpoint_sessions_active{${labels}} 2`,
        `portald_endpoint_sessions_total{${labels}} 7`,
        `portald_endpoint_bytes_total{${labels},direction="from-endpoint"} 1024`,
        `portald_endpoint_dial_failures_total{${labels},reason="timed-out"} 4`,
        `portald_endpoint_dial_failures_total{${labels},reason="refused"} 0`,
        `portald_endpoint_resets_total{${labels}} 0`,
      ]),
    )
  })

  it('of two proxies in one process are apart', async () => {
    const other = createMetrics({ source: { read: () => reading(), pulse }, clock, processMetrics: false })
    metrics.probed('/healthz', 200)
    expect(await other.scrape()).not.toContain('kubeproxy_proxy_healthz_total{')
  })

  it('tell of the process when asked to', async () => {
    const text = await createMetrics({ source: { read: () => now, pulse }, clock }).scrape()
    for (const name of ['process_cpu_seconds_total', 'process_resident_memory_bytes', 'nodejs_eventloop_lag_p99_seconds']) {
      expect(text).toContain(`\n${name} `)
    }
  })

  it('of 1,000 Services on 4 rows are there in 150 ms', async () => {
    const services = Array.from({ length: 1000 }, (_, slot) => ({ slot, key: `namespace-${slot % 20}/service-${slot}:http/TCP` }))
    now = reading({ ledger: ledger(4, 1000), services })
    for (let slot = 0; slot < 1000; slot++)
      for (let cell = 0; cell < 62; cell++) add(now.ledger, slot % 4, slot, cell, slot + cell)
    const times: number[] = []
    for (let round = 0; round < 5; round++) {
      const startedMs = performance.now()
      await metrics.scrape()
      times.push(performance.now() - startedMs)
    }
    expect(Math.min(...times)).toBeLessThan(150)
  })
})

describe('documentation', () => {
  const page = (name: string) => readFileSync(new URL(`../../docs/${name}`, import.meta.url), 'utf8')
  const rows = (text: string, first: RegExp) => text.split('\n').filter((line) => first.test(line))

  it('lists every metric with its type, labels and meaning, and no other', () => {
    const expected = Object.entries(METRICS).map(([name, { type, labels, help }]: [string, MetricDefinition]) => {
      return `| \`${name}\` | ${type} | ${labels.map((label) => `\`${label}\``).join(', ')} | ${help} |`.replace('|  |', '| |')
    })
    expect(rows(page('metrics.md'), /^\| `(portald|kubeproxy)_/)).toEqual(expected)
  })

  it('lists every log event, and no other', () => {
    const expected = Object.entries(LOG_EVENTS).map(([event, meaning]) => `| \`${event}\` | ${meaning} |`)
    expect(rows(page('logs.md'), /^\| `[\w-]+\.[\w-]+` \|/)).toEqual(expected)
  })
})
