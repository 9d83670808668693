import { LONGEST_DURATION_MS } from '../lib/duration.ts'
import { parseIp } from './address.ts'
import type { OptionKey, ValueRule } from './config-table.ts'
import { familyOf, type Ip } from './keys.ts'

/** What a value of kube-proxy's asks for, in our own options. */
export interface KubeProxyMeaning {
  /** Options, as text. */
  readonly gives?: Readonly<Partial<Record<OptionKey, string>>>
  /** Options that hold where nothing else says anything. */
  readonly fallbacks?: Readonly<Partial<Record<OptionKey, string>>>
  /** An option that another field of the same input gives, and that does not count then. */
  readonly withdraws?: OptionKey
  /** What is not done of it, in the words of a problem. */
  readonly warning?: string
}

/** A field of KubeProxyConfiguration v1alpha1, a flag of kube-proxy, or both. */
export interface KubeProxySetting {
  /** Path of the field; empty: it is only a flag. */
  readonly field: string
  /** The flag without its dashes; empty: it is only a field. */
  readonly flag: string
  /** What a value may be; undefined: a list or mapping that nobody looks into. */
  readonly rule: ValueRule | undefined
  /** kube-proxy's default, as it would be written. */
  readonly default: string
  /** What becomes of it: it counts, is passed over with a warning, or ends the start. */
  readonly fate: 'used' | 'ignored' | 'refused'
  /** What it does here, or why it does nothing. */
  readonly about: string
  /** What a value means that is not empty. */
  readonly means: (text: string) => KubeProxyMeaning
}

const text: ValueRule = { kind: 'text' }
const bool: ValueRule = { kind: 'boolean' }
const timeout: ValueRule = { kind: 'duration' }
/** As long as Go allows: nobody waits for it here. */
const period: ValueRule = { kind: 'duration', most: LONGEST_DURATION_MS }
const count: ValueRule = { kind: 'integer' }
const bit: ValueRule = { kind: 'integer', least: 0, most: 31 }
const ip: ValueRule = { kind: 'ips' }
const cidrs: ValueRule = { kind: 'cidrs' }
const port: ValueRule = { kind: 'integer', least: 0, most: 65_535 }

const RULES = 'portald makes no rules in the kernel'
const SYNC = 'there are no rules to write again; a change is in force within milliseconds'
const SNAT = 'endpoints see an address of this machine unless a Service says otherwise'
const TRACKING = "sessions are sockets of this process; the kernel's tables stay as they are"
const WINDOWS = 'it is for Windows'
const API = 'objects are read a few times and then watched'
const JSON_ONLY = 'objects are read as JSON'
const LOGS = 'the log is JSON lines on standard error'

function used(
  field: string,
  flag: string,
  rule: ValueRule,
  fallback: string,
  about: string,
  means: KubeProxySetting['means'],
): KubeProxySetting {
  return { field, flag, rule, default: fallback, fate: 'used', about, means }
}

function ignored(field: string, flag: string, rule: ValueRule | undefined, fallback: string, about: string): KubeProxySetting {
  const warning = `has no meaning here: ${about}`
  return { field, flag, rule, default: fallback, fate: 'ignored', about, means: () => ({ warning }) }
}

function refused(flag: string, about: string): KubeProxySetting {
  const warning = `is not done here: ${about}`
  return { field: '', flag, rule: text, default: '', fate: 'refused', about, means: () => ({ warning }) }
}

const nothing = (): KubeProxyMeaning => ({})

/** The value itself, for an option. */
function gives(option: OptionKey): KubeProxySetting['means'] {
  return (value) => ({ gives: { [option]: value } })
}

const MODES = ['userspace', 'iptables', 'ipvs', 'nftables', 'kernelspace']
const SCHEDULERS = ['rr', 'wrr', 'lc', 'wlc', 'lblc', 'lblcr', 'sh', 'dh', 'sed', 'nq', 'fo', 'ovf', 'mh', 'twos']
/** Of those, the ones that are in no table of ours. */
const KERNEL_ONLY_SCHEDULERS = ['lblc', 'lblcr', 'fo', 'ovf']
/** kube-proxy's and its libraries' debug messages begin there. */
const DEBUG_VERBOSITY = 4

function readMode(mode: string): KubeProxyMeaning {
  return mode === 'userspace' ? {} : { warning: 'has no meaning here: portald works in user space, whatever the mode' }
}

function readScheduler(scheduler: string): KubeProxyMeaning {
  // The power of two choices, under its usual name.
  if (scheduler === 'twos') return { gives: { scheduler: 'p2c' } }
  if (!KERNEL_ONLY_SCHEDULERS.includes(scheduler)) return { gives: { scheduler } }
  return { warning: 'is a scheduler of the kernel only; rr is used' }
}

function readLocalMode(mode: string): KubeProxyMeaning {
  if (mode === 'ClusterCIDR') return {}
  const withdraws = 'clusterCidr'
  if (mode === 'NodeCIDR') return { withdraws }
  return {
    withdraws,
    warning: 'has no meaning here: sockets do not tell the interface; give the range of the pods as clusterCIDR',
  }
}

const UNSPECIFIED: readonly string[] = ['0.0.0.0', '::']

/** An IPv6 address moves the health checks and metrics to IPv6, as far as nobody says where they are. */
function readBindAddress(address: string): KubeProxyMeaning {
  const parsed: Ip | undefined = parseIp(address)
  const fallbacks: KubeProxyMeaning['fallbacks'] =
    parsed !== undefined && familyOf(parsed) === 6 ? { healthzBindAddress: '[::]:10256', metricsBindAddress: '[::1]:10249' } : {}
  if (parsed === undefined || UNSPECIFIED.includes(parsed)) return { fallbacks }
  return { fallbacks, warning: 'binds no socket here, nor in kube-proxy: --node-ip says which addresses answer on nodePorts' }
}

function portOn(option: OptionKey, address: string): KubeProxySetting['means'] {
  return (number) => ({ fallbacks: { [option]: Number(number) === 0 ? '' : `${address}:${number}` } })
}

/** Every field and flag. Where two mean the same option, the earlier one counts. */
export const KUBE_PROXY_SETTINGS: readonly KubeProxySetting[] = [
  used(
    'bindAddress',
    'bind-address',
    ip,
    '0.0.0.0',
    'an IPv6 address moves the default of the two addresses below to IPv6',
    readBindAddress,
  ),
  ignored('bindAddressHardFail', 'bind-address-hard-fail', bool, 'false', 'an address that cannot be bound is tried again'),
  used(
    'healthzBindAddress',
    'healthz-bind-address',
    text,
    '0.0.0.0:10256',
    'the same option; empty in the file is the default',
    gives('healthzBindAddress'),
  ),
  used(
    'metricsBindAddress',
    'metrics-bind-address',
    text,
    '127.0.0.1:10249',
    'the same option; empty in the file is the default',
    gives('metricsBindAddress'),
  ),
  used(
    '',
    'healthz-port',
    port,
    '10256',
    'port of the health checks where no address is given; 0 is off',
    portOn('healthzBindAddress', '0.0.0.0'),
  ),
  used(
    '',
    'metrics-port',
    port,
    '10249',
    'port of the metrics where no address is given; 0 is off',
    portOn('metricsBindAddress', '127.0.0.1'),
  ),
  ignored('clientConnection.acceptContentTypes', '', text, '', JSON_ONLY),
  ignored('clientConnection.burst', 'kube-api-burst', count, '10', API),
  ignored('clientConnection.contentType', 'kube-api-content-type', text, 'application/vnd.kubernetes.protobuf', JSON_ONLY),
  used(
    'clientConnection.kubeconfig',
    'kubeconfig',
    text,
    '',
    'the same option; nothing means `--in-cluster` only where that is given',
    gives('kubeconfig'),
  ),
  ignored('clientConnection.qps', 'kube-api-qps', text, '5', API),
  ignored('', 'master', text, '', "the address of the API server is the kubeconfig's"),
  ignored('configSyncPeriod', 'config-sync-period', period, '15m0s', API),
  used(
    'clusterCIDR',
    'cluster-cidr',
    cidrs,
    '',
    'clients from there are on this node; not with another `detectLocalMode`',
    gives('clusterCidr'),
  ),
  used(
    'detectLocalMode',
    'detect-local-mode',
    { kind: 'choice', choices: ['ClusterCIDR', 'NodeCIDR', 'BridgeInterface', 'InterfaceNamePrefix'] },
    'ClusterCIDR',
    'ClusterCIDR; NodeCIDR is what a `Node` object says in any case; the other two are ignored with a warning',
    readLocalMode,
  ),
  ignored('detectLocal.bridgeInterface', 'pod-bridge-interface', text, '', 'sockets do not tell the interface'),
  ignored('detectLocal.interfaceNamePrefix', 'pod-interface-name-prefix', text, '', 'sockets do not tell the interface'),
  ignored('conntrack.maxPerCore', 'conntrack-max-per-core', count, '32768', TRACKING),
  ignored('conntrack.min', 'conntrack-min', count, '131072', TRACKING),
  ignored('conntrack.tcpBeLiberal', 'conntrack-tcp-be-liberal', bool, 'false', TRACKING),
  ignored('conntrack.tcpCloseWaitTimeout', 'conntrack-tcp-timeout-close-wait', period, '1h0m0s', TRACKING),
  ignored('conntrack.tcpEstablishedTimeout', 'conntrack-tcp-timeout-established', period, '24h0m0s', TRACKING),
  ignored('conntrack.udpStreamTimeout', 'conntrack-udp-timeout-stream', period, '0s', TRACKING),
  ignored('conntrack.udpTimeout', 'conntrack-udp-timeout', period, '0s', TRACKING),
  ignored('enableProfiling', 'profiling', bool, 'false', 'there is no profiler to be asked over HTTP'),
  ignored('featureGates', 'feature-gates', undefined, '', 'features are switched on by options of their own'),
  used('hostnameOverride', 'hostname-override', text, '', 'the same option', gives('hostnameOverride')),
  ignored(
    'iptables.localhostNodePorts',
    'iptables-localhost-nodeports',
    bool,
    'true',
    'to keep nodePorts off loopback, give --nodeport-addresses',
  ),
  ignored('iptables.masqueradeAll', 'masquerade-all', bool, 'false', SNAT),
  ignored('iptables.masqueradeBit', 'iptables-masquerade-bit', bit, '14', RULES),
  ignored('iptables.minSyncPeriod', 'iptables-min-sync-period', period, '1s', SYNC),
  ignored('iptables.snatNodeInternalIP', '', bool, 'false', SNAT),
  ignored('iptables.syncPeriod', 'iptables-sync-period', period, '30s', SYNC),
  used(
    'udpIdleTimeout',
    'udp-timeout',
    timeout,
    '250ms',
    'the same option, whose default is 60s; gone from kube-proxy since 1.26',
    gives('udpTimeout'),
  ),
  ignored('ipvs.excludeCIDRs', 'ipvs-exclude-cidrs', cidrs, '', RULES),
  ignored('ipvs.minSyncPeriod', 'ipvs-min-sync-period', period, '0s', SYNC),
  used(
    'ipvs.scheduler',
    'ipvs-scheduler',
    { kind: 'choice', choices: SCHEDULERS },
    'rr',
    `\`--scheduler\`, where twos is p2c; ${KERNEL_ONLY_SCHEDULERS.join(', ')} are ignored with a warning`,
    readScheduler,
  ),
  ignored('ipvs.strictARP', 'ipvs-strict-arp', bool, 'false', 'arp_ignore and arp_announce are for whoever runs the machine'),
  ignored('ipvs.syncPeriod', 'ipvs-sync-period', period, '30s', SYNC),
  used(
    'ipvs.tcpFinTimeout',
    'ipvs-tcpfin-timeout',
    timeout,
    '0s',
    '`--half-close-timeout`, whatever the mode; 0 leaves the default',
    gives('halfCloseTimeout'),
  ),
  used(
    'ipvs.tcpTimeout',
    'ipvs-tcp-timeout',
    timeout,
    '0s',
    '`--idle-timeout`, whatever the mode; 0 leaves the default',
    gives('idleTimeout'),
  ),
  used(
    'ipvs.udpTimeout',
    'ipvs-udp-timeout',
    timeout,
    '0s',
    '`--udp-timeout`, whatever the mode; 0 leaves the default',
    gives('udpTimeout'),
  ),
  ignored('logging.flushFrequency', 'log-flush-frequency', text, '5s', LOGS),
  used(
    'logging.format',
    'logging-format',
    { kind: 'choice', choices: ['text', 'json'] },
    'text',
    'JSON lines, whatever it says',
    nothing,
  ),
  ignored('logging.options.json.infoBufferSize', 'log-json-info-buffer-size', text, '0', LOGS),
  ignored('logging.options.json.splitStream', 'log-json-split-stream', bool, 'false', LOGS),
  ignored('logging.options.text.infoBufferSize', 'log-text-info-buffer-size', text, '0', LOGS),
  ignored('logging.options.text.splitStream', 'log-text-split-stream', bool, 'false', LOGS),
  used('logging.verbosity', 'v', count, '0', `${DEBUG_VERBOSITY} and more is \`--log-level debug\``, (level) =>
    Number(level) >= DEBUG_VERBOSITY ? { gives: { logLevel: 'debug' } } : {},
  ),
  ignored('logging.vmodule', 'vmodule', undefined, '', LOGS),
  used(
    'mode',
    'proxy-mode',
    { kind: 'choice', choices: MODES },
    '',
    'user space, whatever it says; another mode is a warning',
    readMode,
  ),
  ignored('nftables.masqueradeAll', '', bool, 'false', SNAT),
  ignored('nftables.masqueradeBit', '', bit, '14', RULES),
  ignored('nftables.minSyncPeriod', '', period, '1s', SYNC),
  ignored('nftables.syncPeriod', '', period, '30s', SYNC),
  used('nodePortAddresses', 'nodeport-addresses', { kind: 'texts' }, '', 'the same option', gives('nodeportAddresses')),
  ignored(
    'oomScoreAdj',
    'oom-score-adj',
    { kind: 'integer', least: -1000, most: 1000 },
    '-999',
    'whoever starts the process sets it: OOMScoreAdjust of a unit',
  ),
  ignored('portRange', 'proxy-port-range', text, '0-0', 'every Service listens on its own addresses and ports'),
  used('serviceProxyName', '', text, '', 'the same option', gives('serviceProxyName')),
  ignored('showHiddenMetricsForVersion', 'show-hidden-metrics-for-version', text, '', 'no metric is hidden'),
  ignored('windowsRunAsService', 'windows-service', bool, 'false', WINDOWS),
  ignored('winkernel.enableDSR', 'enable-dsr', bool, 'false', WINDOWS),
  ignored('winkernel.forwardHealthCheckVip', 'forward-healthcheck-vip', bool, 'false', WINDOWS),
  ignored('winkernel.networkName', 'network-name', text, '', WINDOWS),
  ignored('winkernel.rootHnsEndpointName', 'root-hnsendpoint-name', text, 'cbr0', WINDOWS),
  ignored('winkernel.sourceVip', 'source-vip', text, '', WINDOWS),
  used('', 'cleanup', bool, 'false', 'removes what portald made on this machine, and exits', nothing),
  used('', 'config', text, '', 'the same option; flags count more than the file, not less', nothing),
  used('', 'help', bool, 'false', 'the same option', nothing),
  used('', 'init-only', bool, 'false', 'says that there is nothing to set up, and exits', nothing),
  used('', 'version', bool, 'false', 'the same option', nothing),
  refused('write-config-to', 'docs/configuration.md has every default'),
  ignored('', 'add-dir-header', bool, 'false', LOGS),
  ignored('', 'alsologtostderr', bool, 'false', LOGS),
  ignored('', 'log-backtrace-at', text, ':0', LOGS),
  ignored('', 'log-dir', text, '', LOGS),
  ignored('', 'log-file', text, '', LOGS),
  ignored('', 'log-file-max-size', count, '1800', LOGS),
  used('', 'logtostderr', bool, 'true', 'the log goes to standard error, whatever it says', nothing),
  ignored('', 'one-output', bool, 'false', LOGS),
  ignored('', 'skip-headers', bool, 'false', LOGS),
  ignored('', 'skip-log-headers', bool, 'false', LOGS),
  ignored('', 'stderrthreshold', text, '2', LOGS),
  ignored('', 'azure-container-registry-config', text, '', 'nothing is pulled'),
  ignored('', 'boot-id-file', text, '/proc/sys/kernel/random/boot_id', 'nobody asks for it'),
  ignored('', 'machine-id-file', text, '/etc/machine-id,/var/lib/dbus/machine-id', 'nobody asks for it'),
]
