import { existsSync } from 'node:fs'
import { rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { openChild } from '../child.ts'
import { assertFree, type Lab, untilForwards } from '../lab.ts'
import type { ListenerPlan, Subject, SubjectPlan } from './subject.ts'

/** The Kubernetes objects that say the same as the plans: one Service and one EndpointSlice each. */
export function serviceObjects(listeners: readonly ListenerPlan[]): string {
  return listeners
    .map(({ protocol, local, endpoints }, index) => {
      const name = `l${index}`
      const addresses = endpoints.map(({ ip }) => `  - addresses: ['${ip}']\n    conditions: { ready: true }`).join('\n')
      return `apiVersion: v1
kind: Service
metadata: { name: ${name}, namespace: bench }
spec:
  clusterIP: ${local.ip}
  ports:
    - { name: main, protocol: ${protocol.toUpperCase()}, port: ${local.port}, targetPort: ${endpoints[0]?.port} }
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: ${name}-1, namespace: bench, labels: { kubernetes.io/service-name: ${name} } }
addressType: IPv4
ports:
  - { name: main, protocol: ${protocol.toUpperCase()}, port: ${endpoints[0]?.port} }
endpoints:
${addresses}
`
    })
    .join('---\n')
}

/** Written aside and renamed over, so that nobody reads half of it. */
async function replaceFile(file: string, text: string): Promise<void> {
  await writeFile(`${file}.new`, text)
  await rename(`${file}.new`, file)
}

export interface PortaldOptions {
  readonly name: string
  readonly engine: 'node' | 'native'
  /** The working tree whose `bin/portald.js` runs. */
  readonly tree: string
}

export function portaldSubject({ name, engine, tree }: PortaldOptions): Subject {
  const bin = join(tree, 'bin', 'portald.js')
  const open = async (lab: Lab, plan: SubjectPlan) => {
    const directory = lab.directory
    const file = plan.objectsFile ?? join(directory, `${name}.yaml`)
    if (plan.objectsFile === undefined) await replaceFile(file, serviceObjects(plan.listeners))
    const command = [process.execPath, bin, 'run', '--file', file, '--allow-loopback-endpoints', '--engine', engine]
    const quiet = ['--workers', `${plan.workers}`, '--metrics-bind-address=', '--healthz-bind-address=', '--admin=']
    if (plan.objectsFile === undefined) quiet.push('--log-level', 'warn')
    const child = await openChild({ name, command: [...command, ...quiet], cores: plan.cores, directory })
    return {
      addresses: plan.listeners.map(({ local }) => local),
      pids: () => [child.pid],
      gone: child.gone,
      output: child.output,
      reload: (listeners: readonly ListenerPlan[]) => replaceFile(file, serviceObjects(listeners)),
      [Symbol.asyncDispose]: () => child[Symbol.asyncDispose](),
    }
  }
  return {
    name,
    protocols: new Set(['tcp', 'udp']),
    reloads: true,
    scales: engine === 'native',
    readsObjects: true,
    describe: () => `portald, engine ${engine}, Node ${process.versions.node}${name.includes('@') ? `, from ${tree}` : ''}`,
    async unavailable(lab) {
      if (!existsSync(bin)) return 'not available: bin/portald.js does not exist yet'
      // Whether this engine is there and works here, only the program knows.
      const local = { ip: lab.listenerIp(0), port: lab.subjectPort(99) }
      try {
        await assertFree('tcp', local)
        const listeners = [{ protocol: 'tcp' as const, local, endpoints: [{ ip: lab.endpointIp(0), port: 9 }] }]
        await using subject = await open(lab, { listeners, workers: 1, cores: undefined })
        await untilForwards(subject, local, { protocol: 'tcp' })
        return undefined
      } catch (error) {
        const why = error instanceof Error ? error.message : String(error)
        return `not available: ${why.replace(`${name} ended `, '')}`
      }
    },
    open,
  }
}
