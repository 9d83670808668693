import { describe, expect, it } from 'vitest'
import { type ConfigurationInputs, parseConfiguration } from '../../src/model/config.ts'
import type { ConfigurationFile } from '../../src/model/config-given.ts'
import { CONFIG_OPTIONS, configOption, flagOf, OPTION_KEYS, variableOf } from '../../src/model/config-table.ts'
import { parseOptionValue } from '../../src/model/config-value.ts'
import { type Problem, showProblem } from '../../src/model/problem.ts'
import { LOG_LEVELS } from '../../src/observe/logger.ts'

function parse(inputs: ConfigurationInputs) {
  const problems: Problem[] = []
  const configuration = parseConfiguration(inputs, problems)
  return { configuration, lines: problems.map(showProblem) }
}

function file(value: object, lines: Record<string, number> = {}): ConfigurationFile {
  const head = { kind: 'Configuration', apiVersion: 'portald.io/v1alpha1' }
  return { place: 'portald.yaml', value: { ...head, ...value }, lines: new Map(Object.entries(lines)) }
}

describe('option table', () => {
  it('derives flag and variable from the key', () => {
    expect(flagOf('serviceClusterIpRange')).toBe('service-cluster-ip-range')
    expect(variableOf('serviceClusterIpRange')).toBe('PORTALD_SERVICE_CLUSTER_IP_RANGE')
  })

  it('has a readable default, or none, for every option', () => {
    for (const key of OPTION_KEYS) {
      const text = CONFIG_OPTIONS[key].default
      if (text !== '') expect(parseOptionValue(configOption(key), text), key).not.toBeUndefined()
    }
  })
})

describe('log level option', () => {
  it('offers what the logger knows', () => {
    expect(CONFIG_OPTIONS.logLevel.choices).toEqual(LOG_LEVELS)
  })
})

describe('configuration', () => {
  it('has the defaults of kube-proxy and of the issue when nothing is given', () => {
    expect(parse({})).toEqual({
      configuration: {
        files: [],
        kubeconfig: undefined,
        inCluster: false,
        namespace: undefined,
        labelSelector: undefined,
        clusterCopy: undefined,
        engine: 'auto',
        workers: undefined,
        hostnameOverride: undefined,
        nodeLabels: {},
        nodeIps: [],
        clusterCidrs: [],
        nodeportAddresses: [],
        strictSourceRanges: false,
        serviceProxyName: undefined,
        allowLoopbackEndpoints: false,
        serviceClusterIpRange: undefined,
        serviceClusterIpRanges: [],
        externalIpRanges: [],
        vipMode: 'auto',
        serviceNodePortRange: [30000, 32767],
        onlyWithoutIpvs: false,
        scheduler: 'rr',
        checkPrograms: new Map(),
        checksAtOnce: 64,
        logLevel: 'info',
        accessLog: undefined,
        accessLogFormat: 'json',
        accessLogSample: 1,
        metricsBindAddress: { ip: '127.0.0.1', port: 10249 },
        metricsPerEndpoint: false,
        healthzBindAddress: { ip: '0.0.0.0', port: 10256 },
        admin: [{ kind: 'unix', path: '' }],
        adminAccess: { tlsCert: undefined, tlsKey: undefined, tokenFile: undefined, clientCa: undefined, readOnly: false },
        stateDir: undefined,
        shutdownDelayMs: 0,
        drainTimeoutMs: 30_000,
        idleTimeoutMs: 3_600_000,
        halfCloseTimeoutMs: 60_000,
        udpTimeoutMs: 60_000,
      },
      lines: [],
    })
  })

  it('prefers flag over variable over file over default', () => {
    const inputs = { variables: { PORTALD_WORKERS: '2' }, file: file({ workers: 3 }) }
    expect(parse({ ...inputs, flags: { workers: ['1'] } }).configuration?.workers).toBe(1)
    expect(parse(inputs).configuration?.workers).toBe(2)
    expect(parse({ ...inputs, variables: {} }).configuration?.workers).toBe(3)
    expect(parse({}).configuration?.workers).toBeUndefined()
  })

  it('takes ranges for nodePorts, or the word primary alone', () => {
    const parsed = (...nodeportAddresses: string[]) => parse({ flags: { nodeportAddresses } })
    expect(parsed('192.0.2.7/24,::/0').configuration?.nodeportAddresses).toEqual(['192.0.2.0/24', '::/0'])
    expect(parsed('primary').configuration?.nodeportAddresses).toBe('primary')
    expect(parsed('primary', '192.0.2.0/24').lines).toEqual([
      '--nodeport-addresses: error: ["primary","192.0.2.0/24"]: ' +
        'must be an address range such as 192.0.2.0/24 or 2001:db8::/64, or primary alone',
    ])
    expect(parse({ file: file({ nodeportAddresses: ['primary'] }) }).configuration?.nodeportAddresses).toBe('primary')
  })

  it('takes labels of the node; of two with one key the last one counts', () => {
    const flags = { nodeLabel: ['topology.kubernetes.io/zone=a,rack=7', 'rack=8'] }
    expect(parse({ flags }).configuration?.nodeLabels).toEqual({ 'topology.kubernetes.io/zone': 'a', rack: '8' })
    expect(parse({ flags: { nodeLabel: ['zone'] } }).lines).toEqual([
      '--node-label: error: "zone": must be a label such as topology.kubernetes.io/zone=zone-a',
    ])
  })

  it('takes programs that check endpoints by name, as words between spaces', () => {
    const flags = { checkProgram: ['redis=/usr/bin/redis-cli -h {ip}  -p {port} ping', 'b=/b'] }
    const programs = parse({ flags }).configuration?.checkPrograms
    expect([...(programs ?? [])]).toEqual([
      ['redis', ['/usr/bin/redis-cli', '-h', '{ip}', '-p', '{port}', 'ping']],
      ['b', ['/b']],
    ])
    expect(parse({ file: file({ checkProgram: ['a=/a b,c'] }) }).configuration?.checkPrograms.get('a')).toEqual(['/a', 'b,c'])
    for (const wrong of ['a', 'a=', 'a=true', 'a=./a', '=/a', 'a b=/a', 'a;b=/a']) {
      expect(parse({ flags: { checkProgram: [wrong] } }).lines, wrong).toEqual([expect.stringContaining('must be a name, =')])
    }
  })

  it('takes lists repeated, between commas, or as lists of the file', () => {
    const expected = ['10.0.0.1', '10.0.0.2', '2001:db8::1']
    expect(parse({ flags: { nodeIp: ['10.0.0.1, 10.0.0.2', '2001:DB8:0::1'] } }).configuration?.nodeIps).toEqual(expected)
    expect(parse({ variables: { PORTALD_NODE_IP: expected.join(',') } }).configuration?.nodeIps).toEqual(expected)
    expect(parse({ file: file({ nodeIp: expected }) }).configuration?.nodeIps).toEqual(expected)
    expect(parse({ file: file({ nodeIp: '10.0.0.1' }) }).configuration?.nodeIps).toEqual(['10.0.0.1'])
    expect(parse({ file: file({ file: ['/etc/a,b.yaml'] }) }).configuration?.files).toEqual(['/etc/a,b.yaml'])
  })

  it('names an address once that was given twice', () => {
    expect(parse({ flags: { nodeIp: ['10.0.0.1', '10.0.0.1'] } }).configuration?.nodeIps).toEqual(['10.0.0.1'])
  })

  it('takes the last of several values of an option that has one', () => {
    expect(parse({ flags: { workers: ['1', '2'] } }).configuration?.workers).toBe(2)
  })

  it('reads durations as Go does, and bare numbers as seconds', () => {
    expect(parse({ flags: { drainTimeout: ['1h30m'] } }).configuration?.drainTimeoutMs).toBe(5_400_000)
    expect(parse({ flags: { drainTimeout: ['250ms'] } }).configuration?.drainTimeoutMs).toBe(250)
    expect(parse({ file: file({ drainTimeout: 5 }) }).configuration?.drainTimeoutMs).toBe(5000)
  })

  it('completes an address without a port with the port of the default', () => {
    const flags = { metricsBindAddress: ['192.0.2.1'], healthzBindAddress: ['::1'] }
    expect(parse({ flags }).configuration).toMatchObject({
      metricsBindAddress: { ip: '192.0.2.1', port: 10249 },
      healthzBindAddress: { ip: '::1', port: 10256 },
    })
  })

  it('switches addresses off with an empty value from anywhere', () => {
    expect(parse({ flags: { metricsBindAddress: [''] } }).configuration?.metricsBindAddress).toBeUndefined()
    expect(parse({ variables: { PORTALD_METRICS_BIND_ADDRESS: '' } }).configuration?.metricsBindAddress).toBeUndefined()
    expect(parse({ file: file({ metricsBindAddress: '' }) }).configuration?.metricsBindAddress).toBeUndefined()
  })

  it('takes addresses and sockets of the admin API; an empty value from anywhere means none', () => {
    const admin = (inputs: ConfigurationInputs) => parse(inputs).configuration?.admin
    expect(admin({ flags: { admin: ['127.0.0.1:10246', '[::1]:10246,unix:/run/a b.sock', 'unix:'] } })).toEqual([
      { kind: 'tcp', ip: '127.0.0.1', port: 10246 },
      { kind: 'tcp', ip: '::1', port: 10246 },
      { kind: 'unix', path: '/run/a b.sock' },
      { kind: 'unix', path: '' },
    ])
    expect(admin({ flags: { admin: [''] } })).toEqual([])
    expect(admin({ variables: { PORTALD_ADMIN: '' } })).toEqual([])
    expect(admin({ file: file({ admin: [] }) })).toEqual([])
    expect(admin({ command: 'forward' })).toEqual([])
    const right =
      'must be an address and port such as 127.0.0.1:10246 or [::1]:10246, or unix:PATH with a path of 107 bytes at most'
    expect(parse({ flags: { admin: ['10246'] } }).lines).toEqual([`--admin: error: "10246": ${right}`])
    expect(parse({ flags: { admin: [`unix:/${'ä'.repeat(54)}`] } }).lines).toHaveLength(1)
  })

  it('leaves the addresses of `forward` off unless they are given', () => {
    expect(parse({ command: 'forward' }).configuration).toMatchObject({
      metricsBindAddress: undefined,
      healthzBindAddress: undefined,
    })
    const flags = { healthzBindAddress: ['127.0.0.1:9000'] }
    expect(parse({ command: 'forward', flags }).configuration?.healthzBindAddress).toEqual({ ip: '127.0.0.1', port: 9000 })
  })

  it('takes an empty variable, and a key without a value, as not given', () => {
    const inputs = {
      variables: { PORTALD_DRAIN_TIMEOUT: '', PORTALD_NODE_IP: '' },
      file: file({ nodeIp: '10.0.0.1', workers: null }),
    }
    expect(parse(inputs).configuration).toMatchObject({ drainTimeoutMs: 30_000, nodeIps: ['10.0.0.1'], workers: undefined })
  })

  it('empties a list of the file with an empty flag', () => {
    expect(parse({ flags: { nodeIp: [''] }, file: file({ nodeIp: '10.0.0.1' }) }).configuration?.nodeIps).toEqual([])
  })

  it('brings addresses into canonical form', () => {
    const { configuration } = parse({ flags: { metricsBindAddress: ['[::1]:9000'], serviceClusterIpRange: ['10.96.3.4/12'] } })
    expect(configuration?.metricsBindAddress).toEqual({ ip: '::1', port: 9000 })
    expect(configuration?.serviceClusterIpRange).toBe('10.96.0.0/12')
  })

  it('passes over variables that are not options, such as the ones Kubernetes sets for a Service of this name', () => {
    expect(parse({ variables: { PORTALD_SERVICE_HOST: '10.0.0.1', PORTALD_PORT: 'tcp://10.0.0.1:80' } }).lines).toEqual([])
  })

  it('says once what is wrong with a range that counts in two ways', () => {
    expect(parse({ flags: { serviceClusterIpRange: ['10.96.0.0'] } }).lines).toEqual([
      expect.stringContaining('--service-cluster-ip-range: error: "10.96.0.0": must be an address range'),
    ])
  })

  it('collects every bad value with where it stands and what would be right', () => {
    const { configuration, lines } = parse({
      flags: { workers: ['many'], nodeIp: ['10.0.0.1,web', '10.0.0.999'], engine: [''] },
      variables: { PORTALD_UDP_TIMEOUT: '0', PORTALD_WORKERS: '0' },
      file: file(
        {
          logLevel: 'loud',
          drainTimeout: '30 seconds',
          metricsBindAddress: ':10249',
          serviceNodePortRange: '9-1',
          accessLog: ['a'],
        },
        { logLevel: 3, drainTimeout: 4, metricsBindAddress: 5, serviceNodePortRange: 6 },
      ),
    })
    expect(configuration).toBeUndefined()
    expect(lines).toEqual([
      '--engine: error: "": must be one of auto, native, node',
      '--workers: error: "many": must be a whole number, at least 1',
      'PORTALD_WORKERS: error: "0": must be a whole number, at least 1',
      '--node-ip: error: "web": must be an IP address such as 192.0.2.10 or 2001:db8::10',
      '--node-ip: error: "10.0.0.999": must be an IP address such as 192.0.2.10 or 2001:db8::10',
      'portald.yaml:6: error: serviceNodePortRange: "9-1": must be two ports from 1 to 65535 such as 30000-32767, the lower one first',
      'portald.yaml:3: error: logLevel: "loud": must be one of debug, info, warn, error, silent',
      'portald.yaml: error: accessLog: ["a"]: must be some text',
      'portald.yaml:5: error: metricsBindAddress: ":10249": must be an address and port such as 127.0.0.1:10249 or [::1]:10249, or nothing to switch it off',
      'portald.yaml:4: error: drainTimeout: "30 seconds": must be a duration from 0s to 596h, such as 250ms, 30s or 1h30m; a bare number is seconds',
      'PORTALD_UDP_TIMEOUT: error: "0": must be a duration from 1ms to 596h, such as 250ms, 30s or 1h30m; a bare number is seconds',
    ])
  })

  it('names the nearest option for a key that does not exist', () => {
    expect(parse({ file: file({ nodePortAdresses: '', config: 'x' }, { nodePortAdresses: 9 }) }).lines).toEqual([
      'portald.yaml:9: error: nodePortAdresses: is not an option; the nearest is nodeportAddresses',
      'portald.yaml: error: config: is not an option; the nearest is kubeconfig',
    ])
  })

  it('wants kind and apiVersion in a file', () => {
    const lines = new Map([['kind', 2]])
    expect(parse({ file: { place: 'p.yaml', value: { kind: 'Service' }, lines } }).lines).toEqual([
      'p.yaml:2: error: kind: "Service": must be Configuration, or KubeProxyConfiguration for a file of kube-proxy\'s',
      'p.yaml: error: apiVersion: must be portald.io/v1alpha1',
    ])
    expect(parse({ file: { place: 'p.yaml', value: [1], lines } }).lines).toEqual([
      'p.yaml: error: [1]: must be a mapping with kind: Configuration and apiVersion: portald.io/v1alpha1',
    ])
  })
})
