import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parseArguments } from '../src/cli/args.ts'
import { parseConfiguration } from '../src/model/config.ts'
import type { Problem } from '../src/model/problem.ts'
import { type ApiKind, ruleFor, watchedKinds } from '../src/source/cluster/api-kinds.ts'
import { parseYaml } from '../src/source/yaml-text.ts'

const read = (path: string) => readFileSync(join(import.meta.dirname, '../examples', path), 'utf8')

/** What the program makes of a command line; fails where it refuses one. */
function configurationOf(argv: readonly string[]) {
  const invocation = parseArguments(argv)
  if (invocation.command !== 'run') throw new Error(`does not run: ${JSON.stringify(invocation)}`)
  const problems: Problem[] = []
  const config = parseConfiguration(invocation, problems)
  expect(problems).toEqual([])
  return config
}

/** The command line of a unit, without the words that name the program. */
function unitArguments(path: string): readonly string[] {
  const [, line = ''] = /^ExecStart=\S+ \S+portald\.js (.+)$/m.exec(read(path)) ?? []
  return line.split(' ')
}

interface Workload {
  readonly kind: string
  readonly rules?: readonly Readonly<Record<'apiGroups' | 'resources' | 'verbs', readonly string[]>>[]
  readonly data?: Readonly<Record<string, string>>
  readonly spec?: PodSpec & { readonly template?: { readonly spec: PodSpec } }
}

interface PodSpec {
  readonly containers?: readonly { readonly name: string; readonly args?: readonly string[] }[]
}

/** The documents of an example, by kind. */
function documents(path: string): ReadonlyMap<string, Workload> {
  return new Map(valuesOf(read(path)).map((value) => [(value as Workload).kind, value as Workload]))
}

function valuesOf(text: string): readonly unknown[] {
  const parsed = parseYaml(text)
  if ('code' in parsed) throw new Error(parsed.message)
  return parsed.roots.map(({ value }) => value)
}

interface DaemonSet {
  readonly spec: {
    readonly template: { readonly spec: { readonly containers: readonly [{ readonly args: readonly string[] }] } }
  }
}

describe('examples', () => {
  it('run under systemd with options that exist', () => {
    expect(configurationOf(unitArguments('systemd/portald.service'))).toMatchObject({ files: ['/etc/portald'] })
  })

  it('serve beside kube-proxy only without IPVS, and on other ports', () => {
    const parsed = parseYaml(read('kube-proxy/daemonset.yaml'))
    if ('code' in parsed) throw new Error(parsed.message)
    const { args } = (parsed.roots.map(({ value }) => value) as [DaemonSet])[0].spec.template.spec.containers[0]
    const beside = {
      onlyWithoutIpvs: true,
      files: [],
      healthzBindAddress: { ip: '0.0.0.0', port: 10356 },
      metricsBindAddress: { ip: '127.0.0.1', port: 10349 },
    }
    expect(configurationOf(args)).toMatchObject(beside)
    expect(configurationOf(unitArguments('kube-proxy/only-without-ipvs.conf'))).toMatchObject(beside)
  })

  it('run in a cluster with options that exist', () => {
    const objects = documents('kubernetes/daemonset.yaml')
    const { args = [] } = objects.get('DaemonSet')?.spec?.template?.spec.containers?.[0] ?? {}
    expect(configurationOf(args)).toBeDefined()
    const [value] = valuesOf(objects.get('ConfigMap')?.data?.['portald.yaml'] ?? '')
    const problems: Problem[] = []
    const config = parseConfiguration({ file: { place: 'portald.yaml', value, lines: new Map() } }, problems)
    expect(problems).toEqual([])
    expect(config).toMatchObject({ kubeconfig: '/etc/portald/kubeconfig', clusterCidrs: ['10.244.0.0/16'] })
    const sidecar = documents('kubernetes/sidecar.yaml')
      .get('Pod')
      ?.spec?.containers?.find(({ name }) => name === 'portald')
    expect(configurationOf(sidecar?.args ?? [])).toMatchObject({
      inCluster: true,
      namespace: 'default',
      labelSelector: 'portald=sidecar',
    })
  })

  it('ask for exactly the rights that are needed', () => {
    const scope = { namespace: undefined, labelSelector: '', nodeName: 'n' }
    const needed = watchedKinds(scope).map(({ forms }) => ruleFor(forms[0] as ApiKind))
    const given = (documents('kubernetes/rbac.yaml').get('ClusterRole')?.rules ?? []).flatMap(({ apiGroups, resources, verbs }) =>
      resources.map((resource) => {
        const list = (words: readonly string[]) => `[${words.map((word) => `"${word}"`).join(', ')}]`
        return `apiGroups: ${list(apiGroups)}, resources: ${list([resource])}, verbs: ${list(verbs)}`
      }),
    )
    expect(given.sort()).toEqual([...needed].sort())
  })
})
