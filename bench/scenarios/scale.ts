import { rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { answers, assertFree, type Lab, pause } from '../lab.ts'
import { residentBytes, sampleCpu } from '../proc.ts'
import { median } from '../statistics.ts'
import { type Scenario, TrialFailure } from './scenario.ts'

const SERVICES = 10_000
const ENDPOINTS = 10
const CHANGES = 5
const SETTLE_MS = 20_000
/** From when on a file counts as at rest. */
const REST_MS = 2_500
const TIMEOUT_MS = 60_000
const POLL_MS = 20

type Json = Readonly<Record<string, unknown>>

/** A Service and its EndpointSlice, with the fields that a cluster writes. `unready`: its last endpoint is not. */
function objectsOf(lab: Lab, port: number, index: number, unready: boolean): Json[] {
  const name = `service-${index}`
  const namespace = `team-${index % 50}`
  const ip = lab.listenerIp(index)
  const endpoints = Array.from({ length: ENDPOINTS }, (_, n) => {
    const number = index * ENDPOINTS + n
    return {
      addresses: [`10.${64 + (number >> 16)}.${(number >> 8) & 255}.${number & 255}`],
      conditions: { ready: !(unready && n === ENDPOINTS - 1), serving: true, terminating: false },
      nodeName: `node-${(index + n) % 200}`,
      zone: `zone-${'abc'[(index + n) % 3]}`,
      targetRef: { kind: 'Pod', namespace, name: `${name}-${n}` },
    }
  })
  const meta = { namespace, uid: `00000000-0000-4000-8000-${String(index).padStart(12, '0')}` }
  const spec = { clusterIP: ip, clusterIPs: [ip], ipFamilies: ['IPv4'], sessionAffinity: 'None', selector: { app: name } }
  return [
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name, ...meta, creationTimestamp: '2026-01-05T10:00:00Z', labels: { app: name } },
      spec: { type: 'ClusterIP', ...spec, ports: [{ name: 'http', protocol: 'TCP', port, targetPort: 8080 }] },
    },
    {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { name: `${name}-x7k2p`, ...meta, labels: { 'kubernetes.io/service-name': name } },
      addressType: 'IPv4',
      ports: [{ name: 'http', protocol: 'TCP', port: 8080 }],
      endpoints,
    },
  ]
}

/** Block style, as `kubectl get -o yaml` writes. */
function yaml(value: unknown, indent: string): string {
  if (typeof value !== 'object' || value === null) return ` ${JSON.stringify(value)}\n`
  const entries = Array.isArray(value)
    ? value.map((item) => `${indent}-${yaml(item, `${indent}  `).replace(/^\n\s*/, ' ')}`)
    : Object.entries(value).map(([key, item]) => `${indent}${key}:${yaml(item, `${indent}  `)}`)
  return `\n${entries.join('')}`
}

function textOf(lab: Lab, port: number, format: 'json' | 'yaml', generation: number): string {
  // In odd generations an endpoint of the Service in the middle is not ready. No line moves.
  const unready = (index: number) => generation % 2 === 1 && index === SERVICES / 2
  const objects = Array.from({ length: SERVICES }, (_, index) => objectsOf(lab, port, index, unready(index))).flat()
  if (format === 'json') return JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects })
  return objects.map((object) => yaml(object, '').slice(1)).join('---\n')
}

/** How long each change of routes took, from when its object left the source, as the log says. */
function changesIn(log: string): number[] {
  return log
    .split('\n')
    .filter((line) => line.includes('"snapshot.applied"'))
    .map((line) => Number((JSON.parse(line) as { durationMs: number }).durationMs))
}

function scale(format: 'json' | 'yaml', workers: number): Scenario {
  return {
    name: `scale-${format}${workers === 1 ? '' : `-${workers}-workers`}`,
    title: `${SERVICES} Services with ${ENDPOINTS} endpoints each, from one ${format.toUpperCase()} file`,
    protocol: 'tcp',
    workers,
    metrics: [
      { key: 'load', title: 'ms to serve all' },
      { key: 'rss', title: 'RSS MB' },
      { key: 'oneSlice', title: 'ms one slice' },
      { key: 'cpu', title: 'CPU ms to serve all' },
    ],
    peers: [],
    unavailable: () => undefined,
    unsuitable: (subject) =>
      !subject.readsObjects ? 'reads no Kubernetes objects' : workers > 1 && !subject.scales ? 'has one thread' : undefined,
    async open(lab) {
      const { proxy, load: others, proxyPin } = lab.cores(1)
      // Reading and serving go on in different threads, and there is no load.
      const cores = proxyPin === undefined ? undefined : [...proxy, ...others].join(',')
      return {
        setting: `spawn to the last Service accepting; RSS ${SETTLE_MS / 1000} s later; a slice from leaving its source to in force, ${CHANGES} times`,
        async trial({ subject, port }) {
          const first = { ip: lab.listenerIp(0), port }
          const last = { ip: lab.listenerIp(SERVICES - 1), port }
          const objectsFile = join(lab.directory, `scale-${subject.name}.${format}`)
          const put = async (generation: number) => {
            await writeFile(`${objectsFile}.new`, textOf(lab, port, format, generation))
            await rename(`${objectsFile}.new`, objectsFile)
          }
          await assertFree('tcp', first)
          await put(0)
          // A file that was just written is looked at twice, which is not what is measured.
          await pause(REST_MS)
          const startMs = performance.now()
          await using open = await subject.open(lab, { listeners: [], workers, cores, objectsFile })
          const until = async (what: string, done: () => Promise<boolean> | boolean) => {
            for (const from = performance.now(); !(await done()); await pause(POLL_MS)) {
              const gone = open.gone()
              if (gone !== undefined) throw new TrialFailure(gone)
              if (performance.now() - from > TIMEOUT_MS) throw new TrialFailure(`${what}: not within ${TIMEOUT_MS} ms`)
            }
          }
          await until('the last Service accepts', () => answers(last, undefined))
          const load = performance.now() - startMs
          const cpu = sampleCpu(open.pids()).cpuNs / 1e6
          if (!(await answers(first, undefined))) throw new TrialFailure('the first Service does not accept')
          await pause(SETTLE_MS)
          const rss = residentBytes(open.pids()) / 1e6
          const changes = () => changesIn(open.output?.() ?? '')
          const before = changes().length
          for (let generation = 1; generation <= CHANGES; generation++) {
            await put(generation)
            await until('a changed slice is in force', () => changes().length === before + generation)
          }
          return { values: { load, rss, oneSlice: median(changes().slice(before)) ?? 0, cpu }, remarks: [] }
        },
        async [Symbol.asyncDispose]() {},
      }
    },
  }
}

/** Many Services at once: how long they take to be served, how much memory they need, and what one change among them costs. */
export const scaleScenarios: readonly Scenario[] = [scale('json', 1), scale('json', 2), scale('yaml', 1)]
