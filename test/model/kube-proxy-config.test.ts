import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Configuration, type ConfigurationInputs, parseConfiguration } from '../../src/model/config.ts'
import { OPTION_KEYS, type OptionKey } from '../../src/model/config-table.ts'
import { expectedValue, parseValue } from '../../src/model/config-value.ts'
import { KUBE_PROXY_FLAGS } from '../../src/model/kube-proxy-config.ts'
import { KUBE_PROXY_SETTINGS } from '../../src/model/kube-proxy-table.ts'
import { type Problem, showProblem } from '../../src/model/problem.ts'

function parse(inputs: ConfigurationInputs) {
  const problems: Problem[] = []
  const config = parseConfiguration(inputs, problems)
  return { config, lines: problems.map(showProblem) }
}

const HEAD = { kind: 'KubeProxyConfiguration', apiVersion: 'kubeproxy.config.k8s.io/v1alpha1' }
const DEFAULTS = parse({}).config as Configuration

function file(value: object, lines: Record<string, number> = {}): ConfigurationInputs {
  return { file: { place: 'kp.conf', value: { ...HEAD, ...value }, lines: new Map(Object.entries(lines)) } }
}

/** What a setting looks like in a file. */
function nested(field: string, value: unknown): object {
  return field.split('.').reduceRight<unknown>((inner, key) => ({ [key]: inner }), value) as object
}

/** What kubeadm writes for every cluster: each field, with nothing in it. */
const KUBEADM = {
  bindAddress: '0.0.0.0',
  bindAddressHardFail: false,
  clientConnection: { acceptContentTypes: '', burst: 0, contentType: '', kubeconfig: '', qps: 0 },
  clusterCIDR: '10.244.0.0/16,fd00:10:244::/56',
  configSyncPeriod: '0s',
  conntrack: { maxPerCore: null, min: null, tcpBeLiberal: false, tcpCloseWaitTimeout: null, udpTimeout: '0s' },
  detectLocal: { bridgeInterface: '', interfaceNamePrefix: '' },
  detectLocalMode: '',
  enableProfiling: false,
  featureGates: {},
  healthzBindAddress: '',
  hostnameOverride: '',
  iptables: { localhostNodePorts: null, masqueradeAll: false, masqueradeBit: null, minSyncPeriod: '0s', syncPeriod: '0s' },
  ipvs: { excludeCIDRs: null, minSyncPeriod: '0s', scheduler: '', strictARP: false, tcpTimeout: '0s', udpTimeout: '0s' },
  logging: { flushFrequency: 0, options: { json: { infoBufferSize: '0' }, text: { infoBufferSize: '0' } }, verbosity: 0 },
  metricsBindAddress: '',
  mode: '',
  nftables: { masqueradeAll: false, masqueradeBit: null, minSyncPeriod: '0s', syncPeriod: '0s' },
  nodePortAddresses: null,
  oomScoreAdj: null,
  portRange: '',
  showHiddenMetricsForVersion: '',
  winkernel: { enableDSR: false, networkName: '', sourceVip: '' },
}

describe('KubeProxyConfiguration', () => {
  it('as kubeadm writes it changes nothing but where pods are, without a word', () => {
    expect(parse(file(KUBEADM))).toEqual({
      config: { ...DEFAULTS, clusterCidrs: ['10.244.0.0/16', 'fd00:10:244::/56'] },
      lines: [],
    })
  })

  it('gives the options that mean the same here', () => {
    const { config, lines } = parse(
      file({
        healthzBindAddress: '127.0.0.1',
        metricsBindAddress: '[::1]:9000',
        hostnameOverride: 'node-1',
        nodePortAddresses: ['192.0.2.0/24', '2001:db8::/64'],
        serviceProxyName: 'edge',
        clusterCIDR: '10.244.0.0/16',
        udpIdleTimeout: '2s',
        ipvs: { tcpTimeout: '15m', tcpFinTimeout: '30s', udpTimeout: '5m' },
        logging: { verbosity: 4, format: 'json' },
        mode: 'userspace',
      }),
    )
    expect(lines).toEqual([])
    expect(config).toEqual({
      ...DEFAULTS,
      healthzBindAddress: { ip: '127.0.0.1', port: 10256 },
      metricsBindAddress: { ip: '::1', port: 9000 },
      hostnameOverride: 'node-1',
      nodeportAddresses: ['192.0.2.0/24', '2001:db8::/64'],
      serviceProxyName: 'edge',
      clusterCidrs: ['10.244.0.0/16'],
      udpTimeoutMs: 2000,
      idleTimeoutMs: 900_000,
      halfCloseTimeoutMs: 30_000,
      logLevel: 'debug',
    })
  })

  it('narrows nodePorts to the primary address with the same word', () => {
    expect(parse(file({ nodePortAddresses: ['primary'] })).config?.nodeportAddresses).toBe('primary')
  })

  it('lets the userspace timeout go before the one of IPVS', () => {
    expect(parse(file({ ipvs: { udpTimeout: '5m' } })).config?.udpTimeoutMs).toBe(300_000)
    expect(parse(file({ ipvs: { udpTimeout: '5m' }, udpIdleTimeout: '1s' })).config?.udpTimeoutMs).toBe(1000)
  })

  it('warns once of each field that asks for something that does not exist here, with its line', () => {
    const lines = { 'iptables.masqueradeAll': 12, mode: 30 }
    const value = { iptables: { masqueradeAll: true, masqueradeBit: 13 }, mode: 'ipvs', featureGates: { AllAlpha: true } }
    expect(parse(file(value, lines)).lines).toEqual([
      'kp.conf: warning: featureGates: {"AllAlpha":true}: has no meaning here: features are switched on by options of their own',
      'kp.conf:12: warning: iptables.masqueradeAll: true: has no meaning here: endpoints see an address of this machine unless a Service says otherwise',
      'kp.conf: warning: iptables.masqueradeBit: 13: has no meaning here: portald makes no rules in the kernel',
      'kp.conf:30: warning: mode: "ipvs": has no meaning here: portald works in user space, whatever the mode',
    ])
    expect(parse(file(value)).config).toEqual(DEFAULTS)
  })

  it('goes on with a field that nobody knows, as kube-proxy does, and names the nearest', () => {
    const { config, lines } = parse(file({ hostNameOverride: 'x', iptables: { masquradeAll: true } }))
    expect(config).toEqual(DEFAULTS)
    expect(lines).toEqual([
      'kp.conf: warning: hostNameOverride: is no field of KubeProxyConfiguration and is left out; the nearest is hostnameOverride',
      'kp.conf: warning: iptables.masquradeAll: is no field of KubeProxyConfiguration and is left out; the nearest is iptables.masqueradeAll',
    ])
  })

  it.each([
    [{ mode: 'fast' }, 'mode: "fast": must be one of userspace, iptables, ipvs, nftables, kernelspace'],
    [{ iptables: { masqueradeBit: 32 } }, 'iptables.masqueradeBit: 32: must be a whole number from 0 to 31'],
    [{ oomScoreAdj: -1001 }, 'oomScoreAdj: -1001: must be a whole number from -1000 to 1000'],
    [{ iptables: 5 }, 'iptables: 5: must be a mapping'],
    [{ iptables: { syncPeriod: '-1s' } }, 'iptables.syncPeriod: "-1s": must be a duration such as 250ms'],
    [{ clusterCIDR: '10.0.0.0/8,x' }, 'clusterCIDR: "10.0.0.0/8,x": must be an address range'],
    [{ ipvs: { excludeCIDRs: ['10.0.0.0/8', 'x'] } }, 'ipvs.excludeCIDRs: "x": must be an address range'],
    [{ healthzBindAddress: ':80' }, 'healthzBindAddress: ":80": must be an address and port'],
    [{ nodePortAddresses: ['nowhere'] }, 'nodePortAddresses: "nowhere": must be'],
    [{ enableProfiling: 'perhaps' }, 'enableProfiling: "perhaps": must be true or false'],
    [{ bindAddress: 'eth0' }, 'bindAddress: "eth0": must be an IP address'],
    [{ hostnameOverride: ['a'] }, 'hostnameOverride: ["a"]: must be some text'],
    [{ ipvs: { scheduler: 'best' } }, 'ipvs.scheduler: "best": must be one of rr, wrr, lc'],
    [
      { apiVersion: 'kubeproxy.config.k8s.io/v2' },
      'apiVersion: "kubeproxy.config.k8s.io/v2": must be kubeproxy.config.k8s.io/v1alpha1',
    ],
  ])('refuses %j in one line', (value, message) => {
    const { config, lines } = parse(file(value))
    expect(config).toBeUndefined()
    expect(lines).toEqual([expect.stringContaining(`kp.conf: error: ${message}`)])
  })

  it('moves health checks and metrics to IPv6 with an IPv6 bindAddress, unless they are said', () => {
    const six = { healthzBindAddress: { ip: '::', port: 10256 }, metricsBindAddress: { ip: '::1', port: 10249 } }
    expect(parse(file({ bindAddress: '::' }))).toEqual({ config: { ...DEFAULTS, ...six }, lines: [] })
    const said = parse({
      ...file({ bindAddress: '::', metricsBindAddress: '127.0.0.1:1' }),
      variables: { PORTALD_HEALTHZ_BIND_ADDRESS: '' },
    })
    expect(said.config).toMatchObject({ healthzBindAddress: undefined, metricsBindAddress: { ip: '127.0.0.1', port: 1 } })
  })

  it('warns of a bindAddress that is an address of its own', () => {
    expect(parse(file({ bindAddress: '192.0.2.1' })).lines).toEqual([
      expect.stringContaining('warning: bindAddress: "192.0.2.1": binds no socket'),
    ])
  })

  it('does not take clusterCIDR with another way to know pods', () => {
    const withMode = (detectLocalMode: string) => parse(file({ clusterCIDR: '10.244.0.0/16', detectLocalMode }))
    expect(withMode('ClusterCIDR').config?.clusterCidrs).toEqual(['10.244.0.0/16'])
    expect(withMode('NodeCIDR')).toEqual({ config: DEFAULTS, lines: [] })
    expect(withMode('BridgeInterface')).toEqual({
      config: DEFAULTS,
      lines: [expect.stringContaining('sockets do not tell the interface')],
    })
  })

  it('takes the scheduler of IPVS, or says that it is the kernel’s alone', () => {
    expect(parse(file({ ipvs: { scheduler: 'lc' } }))).toEqual({ config: { ...DEFAULTS, scheduler: 'lc' }, lines: [] })
    expect(parse(file({ ipvs: { scheduler: 'lblc' } }))).toEqual({
      config: DEFAULTS,
      lines: ['kp.conf: warning: ipvs.scheduler: "lblc": is a scheduler of the kernel only; rr is used'],
    })
  })

  it('may have any time that Go has where nobody waits for it', () => {
    const conntrack = { tcpEstablishedTimeout: '1000h' }
    expect(parse(file({ conntrack })).lines).toEqual([
      expect.stringContaining('warning: conntrack.tcpEstablishedTimeout: "1000h"'),
    ])
    expect(parse(file({ ipvs: { tcpTimeout: '1000h' } })).lines).toEqual([
      expect.stringContaining('error: ipvs.tcpTimeout: "1000h"'),
    ])
  })

  it('is weaker than flags and variables', () => {
    const given = { ...file({ hostnameOverride: 'of-file', udpIdleTimeout: '1s' }), flags: { hostnameOverride: ['of-flag'] } }
    const { config } = parse({ ...given, variables: { PORTALD_UDP_TIMEOUT: '3s' } })
    expect(config).toMatchObject({ hostnameOverride: 'of-flag', udpTimeoutMs: 3000 })
  })

  it('is read or said to be wrong, whatever it holds', () => {
    const field = fc.constantFrom(
      ...KUBE_PROXY_SETTINGS.map((setting) => setting.field).filter((path) => path !== ''),
      'x.y',
      'iptables',
    )
    fc.assert(
      fc.property(field, fc.oneof(fc.jsonValue(), fc.string()), (path, value) => {
        const { config, lines } = parse(file(nested(path, value)))
        if (!config) expect(lines.some((line) => line.includes(': error: '))).toBe(true)
        for (const line of lines) expect(line).not.toContain('\n')
      }),
    )
  })
})

describe('flags of kube-proxy', () => {
  it('give the same options, and go before variables and the file', () => {
    const kubeProxyFlags = { 'ipvs-tcp-timeout': ['1m', '2m'], v: ['5'], 'ipvs-scheduler': ['wrr'], 'proxy-mode': ['userspace'] }
    const inputs = { ...file({ ipvs: { tcpTimeout: '9m' } }), kubeProxyFlags, variables: { PORTALD_LOG_LEVEL: 'error' } }
    expect(parse(inputs)).toEqual({
      config: { ...DEFAULTS, idleTimeoutMs: 120_000, logLevel: 'debug', scheduler: 'wrr' },
      lines: [],
    })
    expect(parse({ ...inputs, flags: { idleTimeout: ['7s'] } }).config?.idleTimeoutMs).toBe(7000)
  })

  it('warn once of what has no meaning here, however often it is given', () => {
    const kubeProxyFlags = {
      'masquerade-all': ['false', 'true'],
      'ipvs-exclude-cidrs': ['10.0.0.0/8', '10.1.0.0/16'],
      'kube-api-burst': ['20'],
    }
    expect(parse({ kubeProxyFlags }).lines).toEqual([
      '--kube-api-burst: warning: "20": has no meaning here: objects are read a few times and then watched',
      '--masquerade-all: warning: "true": has no meaning here: endpoints see an address of this machine unless a Service says otherwise',
      '--ipvs-exclude-cidrs: warning: "10.0.0.0/8,10.1.0.0/16": has no meaning here: portald makes no rules in the kernel',
    ])
  })

  it('are refused when they are nonsense, or ask for another program', () => {
    expect(parse({ kubeProxyFlags: { 'iptables-sync-period': ['soon'] } })).toEqual({
      config: undefined,
      lines: [expect.stringContaining('--iptables-sync-period: error: "soon": must be a duration')],
    })
    expect(parse({ kubeProxyFlags: { 'write-config-to': ['x'] } })).toEqual({
      config: undefined,
      lines: ['--write-config-to: error: "x": is not done here: docs/configuration.md has every default'],
    })
  })

  it('count with kube-proxy’s default, too, where they are given', () => {
    const inputs = { ...file({ ipvs: { scheduler: 'lc' } }), kubeProxyFlags: { 'ipvs-scheduler': ['rr'] } }
    expect(parse(inputs)).toEqual({ config: DEFAULTS, lines: [] })
  })

  it('that name only a port hold where no address is given; 0 is off', () => {
    const kubeProxyFlags = { 'healthz-port': ['10300'], 'metrics-port': ['0'] }
    expect(parse({ kubeProxyFlags }).config).toMatchObject({
      healthzBindAddress: { ip: '0.0.0.0', port: 10300 },
      metricsBindAddress: undefined,
    })
    const file1 = file({ healthzBindAddress: '0.0.0.0:1', metricsBindAddress: '0.0.0.0:2' })
    expect(parse({ ...file1, kubeProxyFlags }).config).toMatchObject({
      healthzBindAddress: { port: 1 },
      metricsBindAddress: { port: 2 },
    })
  })
})

describe('table of kube-proxy', () => {
  it('has each field and each flag once', () => {
    for (const key of ['field', 'flag'] as const) {
      const names = KUBE_PROXY_SETTINGS.map((setting) => setting[key]).filter((name) => name !== '')
      expect(names).toEqual([...new Set(names)])
    }
    expect(KUBE_PROXY_SETTINGS.filter(({ field, flag }) => field === '' && flag === '')).toEqual([])
  })

  it('has defaults that its own rules read, and that change nothing', () => {
    for (const { field, flag, rule, default: fallback } of KUBE_PROXY_SETTINGS) {
      if (rule && fallback !== '') expect(parseValue(rule, fallback), `${flag}: ${expectedValue(rule)}`).not.toBeUndefined()
      if (field === '' || fallback === '') continue
      // Where it was written out it counts; our own default is another one.
      const config = field === 'udpIdleTimeout' ? { ...DEFAULTS, udpTimeoutMs: 250 } : DEFAULTS
      expect(parse(file(nested(field, fallback))), field).toEqual({ config, lines: [] })
    }
    const kubeProxyFlags = Object.fromEntries(KUBE_PROXY_FLAGS.map((setting) => [setting.flag, [setting.default]]))
    expect(parse({ kubeProxyFlags })).toEqual({ config: DEFAULTS, lines: [] })
  })

  it('says one line for each thing that is ignored', () => {
    const samples: Record<string, string> = { boolean: 'true', integer: '7', duration: '77s', cidrs: '10.0.0.0/8', text: 'x' }
    for (const { flag, rule, default: fallback } of KUBE_PROXY_FLAGS.filter(({ fate }) => fate === 'ignored')) {
      const value = fallback === 'true' ? 'false' : (samples[rule?.kind ?? 'text'] as string)
      expect(parse({ kubeProxyFlags: { [flag]: [value] } }), flag).toEqual({
        config: DEFAULTS,
        lines: [expect.stringMatching(new RegExp(`^--${flag}: warning: .*: has no meaning here: \\S`))],
      })
    }
  })

  it('gives only options that exist', () => {
    const known: readonly string[] = OPTION_KEYS
    for (const { means, rule } of KUBE_PROXY_SETTINGS) {
      const { gives, fallbacks, withdraws } = means(rule?.choices?.at(-1) ?? '4')
      const options = [...Object.keys({ ...gives, ...fallbacks }), withdraws].filter((option) => option !== undefined)
      for (const option of options as OptionKey[]) expect(known).toContain(option)
    }
  })
})
