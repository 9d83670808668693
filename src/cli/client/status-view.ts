import { showProblem } from '../../model/problem.ts'
import type { EndpointStatus, ListenerStatusLine, ServiceStatus, Status } from '../../model/status.ts'
import { showAgo, showMs, showSize, showSpan } from './numbers.ts'
import { type Column, showTable } from './table.ts'

/** Problems shown of many. */
const MOST_PROBLEMS = 5

/** The status for people: what is wrong first, then a line a Service port. `wide`: their endpoints, too. */
export function showStatus(status: Status, { width, wide }: { readonly width: number; readonly wide: boolean }): string {
  const { time, version, engine, workers, startedAt, limits } = status
  const errors = status.problems.filter(({ severity }) => severity === 'error').length
  const lines = [
    `portald ${version}  ${status.state}  for ${showAgo(startedAt, time)}  pid ${status.pid}  revision ${status.revision}`,
    `engine ${engine.name}: ${engine.reason}; ${count(workers.length, 'worker')}, ${count(limits.sessions.active, 'session')}`,
    ...status.sources.map(({ name, state, objects, ageMs, error }) => {
      const age = ageMs === undefined ? '' : `, read ${showSpan(ageMs)} ago`
      return `source ${name}: ${state}, ${count(objects, 'object')}${age}${error === undefined ? '' : `: ${error}`}`
    }),
    ...status.workers
      .filter(({ state }) => state !== 'running')
      .map(({ worker }) => `worker ${worker} has ended; another takes its place`),
    ...(status.problems.length === 0
      ? []
      : [`${count(errors, 'error')} and ${count(status.problems.length - errors, 'warning')} in the objects:`]),
    ...status.problems.slice(0, MOST_PROBLEMS).map((problem) => `  ${showProblem(problem)}`),
    ...(status.problems.length > MOST_PROBLEMS ? ['  … all of them: portald status -o json | jq .problems'] : []),
    ...status.listeners.filter(({ state }) => state === 'failed').map(showListener),
  ]
  if (status.services.length === 0) return [...lines, 'no Services'].join('\n')
  lines.push('', ...showTable(SERVICES, status.services, width))
  if (wide) for (const service of status.services) lines.push('', ...showService(service, status, width))
  return lines.join('\n')
}

/** The ports of one Service, with listeners and endpoints. */
export function showServices(status: Status, width: number): string {
  return [
    ...status.services.flatMap((service, n) => [...(n > 0 ? [''] : []), ...showService(service, status, width)]),
    ...status.problems.map(showProblem),
  ].join('\n')
}

function showService(service: ServiceStatus, { listeners, time }: Status, width: number): string[] {
  const { sessions, connect, attempts, attemptFailures, affinityTimeoutMs } = service
  const affinity = affinityTimeoutMs === undefined ? '' : `, affinity ${showSpan(affinityTimeoutMs)}`
  const ends = Object.entries(service.ends)
    .toSorted(([, a], [, b]) => b - a)
    .map(([end, n]) => `${end} ${showSize(n)}`)
  return [
    `${service.service}: ${service.scheduler}${affinity}; ${count(sessions.active, 'session')}, ${showSize(sessions.total)} in all`,
    ...listeners.filter((line) => line.service === service.service).map((line) => `  ${showListener(line)}`),
    `  connected in ${showMs(connect.p50Ms)} ms (median), ${showMs(connect.p99Ms)} ms (99 %); ${showSize(attemptFailures)} of ${showSize(attempts)} attempts failed`,
    ...(ends.length > 0 ? [`  ended: ${ends.join(', ')}`] : []),
    ...(service.endpoints.length === 0
      ? ['  no endpoints']
      : showTable(endpointColumns(time), service.endpoints, width - 2).map((line) => `  ${line}`)),
  ]
}

function showListener({ listener, kind, state, reason, code }: ListenerStatusLine): string {
  const why = reason === undefined ? '' : `: ${reason}${code === undefined || reason.includes(code) ? '' : ` (${code})`}`
  return `${listener} ${kind} ${state}${why}`
}

const SERVICES: readonly Column<ServiceStatus>[] = [
  { title: 'SERVICE', of: ({ service }) => service, least: 20 },
  { title: 'ADDRESS', of: ({ listeners }) => addresses(listeners), least: 15 },
  { title: 'UP', of: ({ endpoints }) => `${endpoints.filter(isServing).length}/${endpoints.length}`, align: 'right' },
  { title: 'ACTIVE', of: ({ sessions }) => showSize(sessions.active), align: 'right' },
  { title: 'TOTAL', of: ({ sessions }) => showSize(sessions.total), align: 'right' },
  { title: 'IN', of: ({ bytes }) => showSize(bytes.fromClient), align: 'right' },
  { title: 'OUT', of: ({ bytes }) => showSize(bytes.fromEndpoint), align: 'right' },
  { title: 'FAILED', of: ({ attemptFailures }) => showSize(attemptFailures), align: 'right' },
]

function addresses(listeners: readonly string[]): string {
  const [first, ...more] = listeners
  if (first === undefined) return '-'
  return `${first.slice(first.indexOf('/') + 1)}${more.length > 0 ? ` +${more.length}` : ''}`
}

function isServing({ state }: EndpointStatus): boolean {
  return state === 'serving' || state === 'backup'
}

function endpointColumns(now: string): readonly Column<EndpointStatus>[] {
  return [
    { title: 'ENDPOINT', of: ({ endpoint }) => endpoint, least: 15 },
    {
      title: 'STATE',
      of: ({ state, slowStart }) => (slowStart === undefined ? state : `${state} ${Math.round(100 * slowStart)}%`),
    },
    { title: 'SINCE', optional: true, of: ({ since }) => (since === undefined ? '-' : showAgo(since, now)), align: 'right' },
    { title: 'WEIGHT', of: ({ weight }) => String(Math.round(weight.now * 100) / 100), align: 'right' },
    { title: 'ACTIVE', of: ({ sessions }) => showSize(sessions.active), align: 'right' },
    { title: 'TOTAL', optional: true, of: ({ sessions }) => showSize(sessions.total), align: 'right' },
    {
      title: 'FAILED',
      of: ({ failures }) => showSize(failures.refused + failures.timedOut + failures.resets),
      align: 'right',
    },
    {
      title: 'LAST FAILURE',
      of: ({ lastFailure }) => (lastFailure ? `${lastFailure.what}, ${showAgo(lastFailure.at, now)} ago` : '-'),
    },
  ]
}

function count(n: number, what: string): string {
  return `${n} ${what}${n === 1 ? '' : 's'}`
}
