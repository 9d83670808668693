import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { runCommand } from '../support/command.ts'
import { makeTemporaryFolder, type TemporaryFolder } from '../support/temporary-folder.ts'

let folder: TemporaryFolder
let good: string
let bad: string

beforeAll(() => {
  folder = makeTemporaryFolder()
  good = join(folder.path, 'good.yaml')
  bad = join(folder.path, 'bad.yaml')
  writeFileSync(good, GOOD)
  writeFileSync(bad, BAD)
})
afterAll(() => folder[Symbol.dispose]())

const GOOD = `
apiVersion: v1
kind: Service
metadata: { name: web }
spec:
  clusterIP: 127.61.0.9
  ports: [{ port: 8080 }]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: web-1, labels: { kubernetes.io/service-name: web } }
addressType: IPv4
ports: [{ port: 80 }]
endpoints: [{ addresses: [127.0.0.1] }]
`
const BALANCED = `
apiVersion: v1
kind: Service
metadata: { name: balanced }
spec:
  type: LoadBalancer
  clusterIP: 127.61.0.6
  externalTrafficPolicy: Local
  healthCheckNodePort: 31000
  ports: [{ port: 8080, nodePort: 30080 }]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: balanced-1, labels: { kubernetes.io/service-name: balanced } }
addressType: IPv4
ports: [{ port: 80 }]
endpoints: [{ addresses: [127.0.0.1], nodeName: node-1 }]
`
const BAD = `
apiVersion: v1
kind: Service
metadata: { name: low }
spec:
  clusterIP: 127.61.0.8
  ports: [{ port: 0 }]
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: other }
---
apiVersion: v1
kind: Service
metadata: { name: lonely }
spec:
  clusterIP: 127.61.0.7
  ports: [{ port: 53, protocol: UDP }]
`

describe('check', () => {
  it('prints what would be opened and exits with 0', async () => {
    expect(await runCommand(['check', good, '--allow-loopback-endpoints'])).toEqual({
      code: 0,
      out: 'TCP 127.61.0.9:8080 clusterIP default/web\n',
      err: '',
    })
  })

  it('prints every problem first, keeps neighbours, and exits with 1 for an error', async () => {
    const { code, out, err } = await runCommand(['check', bad, good, '--allow-loopback-endpoints'])
    const lines = out.trimEnd().split('\n')
    expect(code).toBe(1)
    expect(lines).toEqual([
      `${bad}:7: error: Service default/low spec.ports[0].port: 0: must be a whole number from 1 to 65535`,
      expect.stringMatching(/bad\.yaml:\d+: warning: Service default\/lonely/),
      'UDP 127.61.0.7:53 clusterIP default/lonely',
      'TCP 127.61.0.9:8080 clusterIP default/web',
    ])
    expect(err).toContain('Deployment')
  })

  it('names the flag that would make a loopback endpoint right, and takes it from a variable', async () => {
    const { code, out } = await runCommand(['check', good])
    expect({ code, out }).toMatchObject({ code: 1, out: expect.stringContaining('--allow-loopback-endpoints') })
    expect((await runCommand(['check', good], { PORTALD_ALLOW_LOOPBACK_ENDPOINTS: 'true' })).code).toBe(0)
  })

  it('takes paths and flags from a configuration file', async () => {
    const config = join(folder.path, 'portald.yaml')
    const head = 'kind: Configuration\napiVersion: portald.io/v1alpha1\n'
    writeFileSync(config, `${head}file: ${good}\nallowLoopbackEndpoints: true\n`)
    expect(await runCommand(['check', '--config', config])).toMatchObject({ code: 0, out: expect.stringContaining('127.61.0.9') })
  })

  it('prints one JSON document with -o json', async () => {
    const { code, out } = await runCommand(['check', '-o', 'json', good, '--allow-loopback-endpoints'])
    expect(code).toBe(0)
    expect(JSON.parse(out)).toEqual({
      ok: true,
      problems: [],
      listeners: [
        {
          protocol: 'TCP',
          address: '127.61.0.9:8080',
          kind: 'clusterIP',
          service: 'default/web',
          port: '',
          endpoints: ['127.0.0.1:80'],
        },
      ],
      healthChecks: [],
      notes: [],
    })
  })

  it('prints where load balancers would be answered', async () => {
    const balanced = join(folder.path, 'balanced.yaml')
    writeFileSync(balanced, BALANCED)
    const flags = ['--node-ip', '127.61.0.7', '--hostname-override', 'node-1', '--allow-loopback-endpoints']
    const { code, out } = await runCommand(['check', balanced, ...flags])
    expect({ code, last: out.trimEnd().split('\n').at(-1) }).toEqual({
      code: 0,
      last: 'TCP 127.61.0.7:31000 healthCheckNodePort default/balanced',
    })
    const { healthChecks } = JSON.parse((await runCommand(['check', '-o', 'json', balanced, ...flags])).out)
    expect(healthChecks).toEqual([{ address: '127.61.0.7:31000', service: 'default/balanced', localEndpoints: 1 }])
  })

  it('shows today’s form of what was written before Kubernetes 1.0', async () => {
    const old = join(folder.path, 'old.json')
    const endpoints = ['173.194.112.206:80']
    writeFileSync(old, JSON.stringify({ kind: 'Endpoints', apiVersion: 'v1beta1', id: 'myapp', endpoints }))
    expect(await runCommand(['check', old])).toEqual({
      code: 1,
      out:
        `${old}:1: error: Endpoints default/myapp id: "myapp": must be written {"apiVersion":"v1","kind":"Endpoints",` +
        '"metadata":{"name":"myapp"},"subsets":[{"addresses":[{"ip":"173.194.112.206"}],"ports":[{"port":80}]}]}\n',
      err: '',
    })
  })

  it('says that a path does not exist', async () => {
    const { code, out } = await runCommand(['check', '/nowhere/at/all.yaml'])
    expect({ code, out }).toMatchObject({ code: 1, out: expect.stringMatching(/^\/nowhere\/at\/all\.yaml: error: /) })
  })
})

describe('wrong usage', () => {
  it.each([
    [['run'], '--file: error: must be given'],
    [['check'], 'PATH: error: must be given'],
    [['--fiel', 'x'], '(Did you mean --file?)'],
    [['--file', 'x', '--workers', 'many'], '--workers: error: "many": must be a whole number, at least 1'],
    [['run', '--config', '/nowhere.yaml'], '/nowhere.yaml: error: cannot be read'],
    [['forward', 'tcp://x', '127.0.0.1:1'], 'LISTEN: error: "tcp://x": must be tcp://IP:PORT'],
    [
      ['run', '--file', 'x', '--access-log', '/nowhere/at/all.log', '--log-level', 'silent'],
      'portald: access log "/nowhere/at/all.log"',
    ],
  ])('%j exits with 2 and says why on standard error, without a stack', async (args, message) => {
    const { code, out, err } = await runCommand(args)
    expect({ code, out }).toEqual({ code: 2, out: '' })
    expect(err).toContain(message)
    expect(err).not.toMatch(/^\s+at /m)
  })

  it('names all that is wrong with flags and variables at once', async () => {
    const { err } = await runCommand(['--node-ip', 'a,b', '--drain-timeout', 'soon'], { PORTALD_ENGINE: 'fast' })
    expect(err.split('\n').filter((line) => line.includes(': error: '))).toHaveLength(4)
  })
})

describe('version', () => {
  it('prints the version of the package', async () => {
    expect(await runCommand(['version'])).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^portald \d+\.\d+\.\d+ \(node \d/),
    })
  })
})
