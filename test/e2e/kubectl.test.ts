import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { TcpEndpoint } from '../support/echo.ts'
import { eventually } from '../support/eventually.ts'
import { type Ended, type KubeProcess, openKubeProcess, type RunOptions } from '../support/kube-process.ts'
import { findKubectls, type Kubectl } from '../support/kubectls.ts'
import type { Json } from '../support/objects.ts'
import { connectTcp } from '../support/tcp-client.ts'
import { addressOf } from '../support/world.ts'

const kubectls = findKubectls()
const ENDPOINT = '127.135.1.101'

const WEB = `
apiVersion: v1
kind: Service
metadata: {name: web, labels: {app: web}}
spec:
  ports: [{name: http, port: 80}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{name: http, port: 8080}]
endpoints: [{addresses: [${ENDPOINT}]}]
`

describe.skipIf(kubectls.length === 0)(`kubectl${kubectls.length === 0 ? ' (needs a kubectl in PATH)' : ''}`, () => {
  it('was found', () => {
    expect(kubectls.length).toBeGreaterThan(0)
  })
})

describe.each(kubectls)('kubectl 1.$minor', (kubectl: Kubectl) => {
  const { program, minor } = kubectl
  const ip = `127.135.1.${minor}`
  const stack = new AsyncDisposableStack()
  let api: KubeProcess

  beforeAll(async () => {
    api = stack.use(await openKubeProcess(ip, `127.135.${minor + 100}.0/24`))
    stack.use(await TcpEndpoint.open(ENDPOINT, 'say hello, echo', 8080))
    writeFileSync(join(api.folder, 'web.yaml'), WEB)
    writeFileSync(join(api.folder, 'changed.yaml'), WEB.replace('port: 80}', 'port: 81}'))
    writeFileSync(join(api.folder, 'other.yaml'), WEB.replace('app: web', 'app: other').replace('port: 80}', 'port: 82}'))
    writeFileSync(join(api.folder, 'editor'), '#!/bin/sh\nsed -i "s/port: 81$/port: 82/" "$1"\n')
    chmodSync(join(api.folder, 'editor'), 0o755)
  })
  afterAll(() => stack.disposeAsync())

  const run = (line: string, options?: RunOptions): Promise<Ended> =>
    api.run(program, ['--server', api.url, ...line.split(' ').filter((word) => word !== '')], options)
  /** What it prints, if it ends well. */
  const works = async (line: string, options?: RunOptions): Promise<string> => {
    const { code, out, err } = await run(line, options)
    expect({ line, code, err: code === 0 ? '' : err }).toEqual({ line, code: 0, err: '' })
    return out
  }
  const web = async () => JSON.parse(await works('get svc web -o json')) as { metadata: { labels?: Json }; spec: Json }
  const column = (table: string, row: string, name: string): string | undefined => {
    const [head = '', ...rows] = table.trimEnd().split('\n')
    const names = head.split(/ {2,}/)
    return rows.find((text) => text.startsWith(row))?.split(/ {2,}/)[names.indexOf(name)]
  }

  it('knows what there is', async () => {
    const resources = await works('api-resources')
    for (const name of ['services', 'endpoints', 'endpointslices', 'namespaces']) expect(resources).toContain(name)
    expect(await works('version')).toContain('portald')
    expect(await works('get --raw /readyz')).toBe('ok')
    expect(await works('get ns')).toMatch(/^default +Active/m)
  })

  it('applies objects, which are served', async () => {
    expect(await works('apply -f web.yaml')).toBe('service/web created\nendpointslice.discovery.k8s.io/web-1 created\n')
    expect(await works('apply -f web.yaml')).toContain('service/web unchanged\n')
    await works('wait --for=condition=portald.io/Listening svc/web --timeout=20s')
    const { clusterIP } = (await web()).spec
    await using client = await connectTcp(addressOf(`${clusterIP}:80`))
    await client.receives(5)
    expect(client.text).toBe('hello')
  })

  it('shows them in our columns', async () => {
    const table = await works('get svc')
    expect(column(table, 'web', 'ENDPOINTS')).toBe('1/1')
    expect(column(table, 'web', 'STATE')).toBe('Listening')
    expect(column(await works('get svc -o wide'), 'web', 'OWNER')).toBe('api')
    expect(await works('get svc,endpointslices -o name')).toBe('service/web\nendpointslice.discovery.k8s.io/web-1\n')
    expect(await works('get svc -l app=web,!old --no-headers')).toMatch(/^web /)
    expect(await works('get svc --field-selector metadata.name=db -o name')).toBe('')
    expect(await works('get svc -A -o jsonpath={.items[*].metadata.namespace}')).toBe('default')
    expect(await works('get svc web -o yaml')).toContain('kind: Service')
    expect(await works('describe svc web')).toContain('Session Affinity:')
    expect(await run('get svc db')).toMatchObject({ code: 1, err: 'Error from server (NotFound): services "db" not found\n' })
  })

  it('labels, annotates and patches them in three ways', async () => {
    await works('label svc web tier=front')
    await works('annotate svc web note=x')
    expect((await web()).metadata.labels).toEqual({ app: 'web', tier: 'front' })
    await works('label svc web tier-')
    await works('patch svc web -p {"spec":{"sessionAffinity":"ClientIP"}}')
    expect((await web()).spec['sessionAffinityConfig']).toEqual({ clientIP: { timeoutSeconds: 10_800 } })
    await works('patch svc web --type=merge -p {"spec":{"sessionAffinity":"None"}}')
    await works('patch svc web --type=json -p [{"op":"add","path":"/metadata/labels/a","value":"b"}]')
    expect((await web()).metadata.labels).toEqual({ app: 'web', a: 'b' })
    const refused = await run('patch svc web --type=merge -p {"spec":{"clusterIP":"127.135.0.9"}}')
    expect(refused.code).toBe(1)
    expect(refused.err).toContain('spec.clusterIPs[0]: Invalid value: "127.135.0.9": may not change once set')
  })

  it('says what would change, and changes it', async () => {
    const diff = await run('diff -f changed.yaml')
    expect(diff.code).toBe(1)
    expect(diff.out).toMatch(/^-\s+port: 80\n(.*\n)?\+\s+port: 81$/m)
    expect(await works('apply -f changed.yaml --dry-run=server')).toContain('service/web configured (server dry run)')
    expect((await web()).spec['ports']).toMatchObject([{ port: 80 }])
    await works('apply -f changed.yaml')
    expect((await web()).spec['ports']).toEqual([{ name: 'http', port: 81, protocol: 'TCP', targetPort: 81 }])
  })

  it('edits them', async () => {
    expect(await works('edit svc web', { variables: { EDITOR: join(api.folder, 'editor') } })).toBe('service/web edited\n')
    expect((await web()).spec['ports']).toMatchObject([{ port: 82 }])
  })

  it('applies on the server, and is told of conflicts', async () => {
    const conflict = await run('apply --server-side --field-manager=other -f other.yaml')
    expect(conflict.code).toBe(1)
    expect(conflict.err).toContain('.metadata.labels.app')
    expect(await works('apply --server-side --field-manager=other --force-conflicts -f other.yaml')).toContain(
      'service/web serverside-applied',
    )
    expect((await web()).metadata.labels).toMatchObject({ app: 'other' })
  })

  it('replaces them and creates others', async () => {
    await works('replace -f web.yaml')
    expect((await web()).spec['ports']).toMatchObject([{ port: 80 }])
    expect((await run('create -f web.yaml')).err).toContain('services "web" already exists')
    const made = await works('create service nodeport made --tcp=80 --dry-run=client -o yaml')
    expect(await works('apply -f -', { input: made })).toBe('service/made created\n')
    expect(column(await works('get svc made'), 'made', 'PORT(S)')).toMatch(/^80:3\d{4}\/TCP$/)
    expect(column(await works('get svc made'), 'made', 'CLUSTER-IP')).toContain(`127.135.${minor + 100}.`)
  })

  // Since 1.32 in protobuf.
  it('creates by words', async () => {
    expect(await works('create service clusterip worded --tcp=5678:8080')).toBe('service/worded created\n')
    expect(await works('create service externalname named --external-name=db.example.com')).toBe('service/named created\n')
    expect(column(await works('get svc worded'), 'worded', 'PORT(S)')).toBe('5678/TCP')
    expect(await works('create ns green')).toBe('namespace/green created\n')
    await works('delete ns green')
    await works('delete svc worded named')
  })

  it('is told what is wrong, field by field', async () => {
    const bad = { apiVersion: 'v1', kind: 'Service', metadata: { name: 'bad' }, spec: { type: 'Foo', ports: [{ port: 0 }] } }
    const { code, err } = await run('apply -f -', { input: JSON.stringify(bad) })
    expect(code).toBe(1)
    expect(err).toContain('spec.ports[0].port: Invalid value: 0: must be a whole number from 1 to 65535')
    expect(err).toContain('spec.type: Unsupported value: "Foo": must be ClusterIP, NodePort, LoadBalancer or ExternalName')
    const odd = { apiVersion: 'v1', kind: 'Service', metadata: { name: 'odd' }, spec: { colour: 'red', ports: [{ port: 80 }] } }
    const refused = await run('apply -f -', { input: JSON.stringify(odd) })
    expect(refused.code).toBe(1)
    expect(refused.err).toMatch(/unknown field "?(spec\.)?colour/)
  })

  it('explains fields', async () => {
    expect(await works('explain service.spec.clusterIP')).toContain('--service-cluster-ip-range')
    expect(await works('explain endpointslice.endpoints.conditions')).toContain('ready')
  })

  it('watches', async () => {
    const watching = run('get svc -w', { forMs: 5000 })
    const labelled = eventually(async () => {
      await works('label svc web seen=yes --overwrite')
    })
    const { out } = await watching
    await labelled
    expect(out.split('\n').filter((line) => line.startsWith('NAME '))).toHaveLength(1)
    expect(out.split('\n').filter((line) => line.startsWith('web '))).not.toHaveLength(0)
  })

  it('keeps namespaces apart, and deletes them with what is in them', async () => {
    const blue = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'blue' } }
    await works('apply -f -', { input: JSON.stringify(blue) })
    await works('apply -n blue -f web.yaml')
    expect(await works('get svc -A -o name')).toBe('service/web\nservice/made\nservice/web\n')
    await works('delete ns blue')
    expect(await works('get svc -n blue -o name')).toBe('')
  })

  it('deletes, and the endpoints go along', async () => {
    expect(await works('delete svc web')).toContain('service "web" deleted')
    expect(await works('get endpointslices -o name')).toBe('')
    await works('delete svc --all')
    expect(await works('get svc -o name')).toBe('')
  })
})
