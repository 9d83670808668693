/** What a metric is; its values are read elsewhere. */
export interface MetricDefinition {
  readonly type: 'counter' | 'gauge' | 'histogram'
  readonly help: string
  readonly labels: readonly string[]
  /** Upper bounds, in the metric's unit. */
  readonly buckets?: readonly number[]
}

const range = (first: number, last: number, step: number) =>
  Array.from({ length: (last - first) / step + 1 }, (_, n) => first + n * step)

const SERVICE = ['service', 'protocol'] as const
const ENDPOINT = [...SERVICE, 'endpoint'] as const
const FAMILY = ['ip_family'] as const

/** Every metric of `/metrics`, except what prom-client tells of the process itself; `docs/metrics.md` lists the same.
 *  Labels are bounded by the configuration: never a client's address. The `kubeproxy_` ones are kube-proxy's own, with
 *  its names, labels and buckets. */
export const METRICS = {
  portald_build_info: {
    type: 'gauge',
    help: 'Always 1; the labels tell what runs.',
    labels: ['version', 'engine', 'workers'],
  },
  portald_sessions_active: { type: 'gauge', help: 'Sessions that run now.', labels: SERVICE },
  portald_sessions_total: { type: 'counter', help: 'Sessions that began.', labels: SERVICE },
  portald_session_ends_total: {
    type: 'counter',
    help: 'Sessions by why they ended; an end appears with its first session.',
    labels: [...SERVICE, 'end'],
  },
  portald_bytes_total: {
    type: 'counter',
    help: 'Bytes relayed, from the client or from the endpoint.',
    labels: [...SERVICE, 'direction'],
  },
  portald_datagrams_total: {
    type: 'counter',
    help: 'Datagrams of UDP and messages of SCTP relayed, from the client or from the endpoint.',
    labels: [...SERVICE, 'direction'],
  },
  portald_dial_attempts_total: { type: 'counter', help: 'Attempts to reach an endpoint.', labels: SERVICE },
  portald_dial_failures_total: { type: 'counter', help: 'Attempts that were refused or timed out.', labels: SERVICE },
  portald_dial_retries_total: { type: 'counter', help: 'Attempts after the first of a session.', labels: SERVICE },
  portald_connect_seconds: {
    type: 'histogram',
    help: 'How long endpoints took to accept a session; appears with the first one.',
    labels: SERVICE,
  },
  portald_affinity_hits_total: {
    type: 'counter',
    help: 'Sessions that went where their client was before.',
    labels: SERVICE,
  },
  portald_affinity_misses_total: {
    type: 'counter',
    help: 'Sessions of a Service with affinity whose client was not known, or whose endpoint had left.',
    labels: SERVICE,
  },
  portald_udp_evictions_total: {
    type: 'counter',
    help: 'UDP sessions that ended early to make room; UDP only.',
    labels: SERVICE,
  },
  portald_queue_sessions: {
    type: 'gauge',
    help: 'Sessions that wait now, for a place or for an endpoint; appears with the first that had to.',
    labels: SERVICE,
  },
  portald_queue_waits_total: { type: 'counter', help: 'Sessions that had to wait; appears with the first.', labels: SERVICE },
  portald_queue_wait_seconds_total: {
    type: 'counter',
    help: 'How long sessions have waited that wait no more; appears with the first.',
    labels: SERVICE,
  },
  portald_need_endpoints_total: {
    type: 'counter',
    help: 'Clients that came while a Service that holds them had no endpoint; appears with the first.',
    labels: SERVICE,
  },
  portald_endpoints: {
    type: 'gauge',
    help: 'Endpoints that new sessions may have, by what is known of their health; Services that have it watched only.',
    labels: [...SERVICE, 'state'],
  },
  portald_endpoint_changes_total: {
    type: 'counter',
    help: 'Times that an endpoint came into a state; Services that have its health watched only.',
    labels: [...SERVICE, 'state'],
  },
  portald_checks_total: {
    type: 'counter',
    help: 'Answers of endpoints to checks; Services that have its health watched only.',
    labels: [...SERVICE, 'result'],
  },
  portald_endpoint_sessions_active: { type: 'gauge', help: 'Sessions that run on an endpoint now.', labels: ENDPOINT },
  portald_endpoint_sessions_total: { type: 'counter', help: 'Sessions of an endpoint that ended.', labels: ENDPOINT },
  portald_endpoint_bytes_total: {
    type: 'counter',
    help: 'Bytes relayed in sessions that ended, from the client or from the endpoint.',
    labels: [...ENDPOINT, 'direction'],
  },
  portald_endpoint_dial_attempts_total: { type: 'counter', help: 'Attempts to reach an endpoint.', labels: ENDPOINT },
  portald_endpoint_dial_failures_total: {
    type: 'counter',
    help: 'Attempts that an endpoint refused, or that timed out.',
    labels: [...ENDPOINT, 'reason'],
  },
  portald_endpoint_resets_total: { type: 'counter', help: 'Sessions that an endpoint reset.', labels: ENDPOINT },
  portald_worker_cpu_seconds_total: {
    type: 'counter',
    help: 'CPU time of a thread with sessions; its rate is the share of a core that it uses.',
    labels: ['worker'],
  },
  portald_worker_answer_seconds: {
    type: 'gauge',
    help: 'How long a thread with sessions took to answer at this scrape, 1 where it did not: how long an event may have to wait.',
    labels: ['worker'],
  },
  portald_affinity_entries: { type: 'gauge', help: 'Clients the affinity table remembers.', labels: [] },
  portald_affinity_evictions_total: {
    type: 'counter',
    help: 'Clients forgotten early because the affinity table was full.',
    labels: [],
  },
  portald_limited_clients: { type: 'gauge', help: 'Clients whose sessions are counted one by one.', labels: [] },
  portald_limited_client_evictions_total: {
    type: 'counter',
    help: 'Clients without a session whose pace was forgotten early because the table was full.',
    labels: [],
  },
  portald_uncounted_sessions_total: {
    type: 'counter',
    help: 'Sessions let in without a limit on their client because the table was full.',
    labels: [],
  },
  portald_listeners: { type: 'gauge', help: 'Listeners by what they do.', labels: ['state'] },
  portald_vips: { type: 'gauge', help: 'Addresses of Services that this process made addresses of the machine.', labels: [] },
  portald_source_synced: { type: 'gauge', help: '1 once the source was read whole, else 0.', labels: ['source'] },
  portald_source_age_seconds: { type: 'gauge', help: 'Time since the source was last read.', labels: ['source'] },
  portald_problems: { type: 'gauge', help: 'Problems in what the sources say now.', labels: ['severity'] },
  portald_snapshot_revision: { type: 'gauge', help: 'Number of the snapshot in force.', labels: [] },
  portald_records_dropped_total: {
    type: 'counter',
    help: 'Ended sessions that were not recorded because the ring was full.',
    labels: [],
  },
  portald_access_log_dropped_total: {
    type: 'counter',
    help: 'Access-log lines lost because the destination failed or was too slow.',
    labels: [],
  },
  kubeproxy_sync_proxy_rules_duration_seconds: {
    type: 'histogram',
    help: 'How long it took to put a change in force.',
    labels: FAMILY,
    buckets: Array.from({ length: 15 }, (_, n) => 0.001 * 2 ** n),
  },
  kubeproxy_sync_proxy_rules_last_timestamp_seconds: {
    type: 'gauge',
    help: 'When a change was last put in force.',
    labels: FAMILY,
  },
  kubeproxy_sync_proxy_rules_last_queued_timestamp_seconds: {
    type: 'gauge',
    help: 'When a change was last seen.',
    labels: FAMILY,
  },
  kubeproxy_network_programming_duration_seconds: {
    type: 'histogram',
    help: 'From the moment the cluster changed, as the objects say, to the moment the change was in force.',
    labels: FAMILY,
    buckets: [0.25, 0.5, ...range(1, 59, 1), ...range(60, 115, 5), ...range(120, 300, 30)],
  },
  kubeproxy_sync_proxy_rules_endpoint_changes_pending: {
    type: 'gauge',
    help: 'Endpoint changes seen but not in force.',
    labels: [],
  },
  kubeproxy_sync_proxy_rules_endpoint_changes_total: { type: 'counter', help: 'Endpoint changes seen.', labels: [] },
  kubeproxy_sync_proxy_rules_service_changes_pending: {
    type: 'gauge',
    help: 'Service changes seen but not in force.',
    labels: [],
  },
  kubeproxy_sync_proxy_rules_service_changes_total: { type: 'counter', help: 'Service changes seen.', labels: [] },
  kubeproxy_sync_proxy_rules_no_local_endpoints_total: {
    type: 'gauge',
    help: 'Service ports whose policy is Local and that have endpoints, but none on this node.',
    labels: ['ip_family', 'traffic_policy'],
  },
  kubeproxy_proxy_healthz_total: { type: 'counter', help: 'Answers of /healthz.', labels: ['code'] },
  kubeproxy_proxy_livez_total: { type: 'counter', help: 'Answers of /livez.', labels: ['code'] },
} as const satisfies Record<string, MetricDefinition>

export type MetricName = keyof typeof METRICS
