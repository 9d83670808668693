import { ADMIN_OPTIONS } from './admin-options.ts'
import type { ConfigOption, OptionCommand, OptionKind } from './config-option.ts'
import { SCHEDULER_NAMES } from './service.ts'

export type { ConfigOption, OptionCommand, OptionKind, ValueRule } from './config-option.ts'

const LISTS: readonly OptionKind[] = ['texts', 'ips', 'cidrs', 'node-addresses', 'labels', 'programs', 'admin-addresses']
const SERVING: readonly OptionCommand[] = ['run', 'forward']
const ENGINE: readonly OptionCommand[] = ['run', 'forward', 'doctor']
const VALIDITY: readonly OptionCommand[] = ['run', 'check', 'doctor']
const ALL: readonly OptionCommand[] = ['run', 'forward', 'check', 'doctor']

/** Every option. The key is what it is called in a configuration file; flag and variable follow from it. */
export const CONFIG_OPTIONS = {
  file: {
    kind: 'texts',
    argument: 'PATH',
    default: '',
    commands: ['run', 'doctor'],
    help: 'File or folder of Kubernetes objects (YAML or JSON) to serve and watch',
  },
  kubeconfig: {
    kind: 'text',
    argument: 'FILE',
    default: '',
    commands: ['run'],
    help: 'Serve the Services of the Kubernetes cluster that this kubeconfig file names',
  },
  inCluster: {
    kind: 'boolean',
    argument: '',
    default: 'false',
    commands: ['run'],
    help: 'Serve the Services of the Kubernetes cluster that this pod is in, with the rights of its service account',
  },
  namespace: {
    kind: 'text',
    argument: 'NAME',
    default: '',
    commands: ['run'],
    help: 'Only Services of this namespace of the cluster; all when empty',
  },
  labelSelector: {
    kind: 'text',
    argument: 'SELECTOR',
    default: '',
    commands: ['run'],
    help: 'Only Services of the cluster with these labels, as kubectl takes them: app=web,tier!=test',
  },
  clusterCopy: {
    kind: 'text',
    argument: 'FILE',
    default: '',
    commands: ['run'],
    help: 'Where to keep a copy of what the cluster said, to start with while its API is away',
  },
  config: {
    kind: 'text',
    argument: 'FILE',
    default: '',
    commands: ALL,
    help: "YAML file of these options: kind Configuration, apiVersion portald.io/v1alpha1, flags as camelCase keys; or kube-proxy's own",
  },
  engine: {
    kind: 'choice',
    argument: 'NAME',
    choices: ['auto', 'native', 'node'],
    default: 'auto',
    commands: ENGINE,
    help: 'What moves the bytes: native, node, or auto for the fastest one that works here',
  },
  workers: {
    kind: 'integer',
    argument: 'N',
    least: 1,
    default: '',
    commands: ENGINE,
    help: 'Worker threads of the native engine; without a number, one less than there are cores. The node engine has no workers',
  },
  hostnameOverride: {
    kind: 'text',
    argument: 'NAME',
    default: '',
    commands: VALIDITY,
    help: "Name of this node, as endpoints carry it in nodeName; the machine's host name when empty",
  },
  nodeLabel: {
    kind: 'labels',
    argument: 'KEY=VALUE',
    default: '',
    commands: VALIDITY,
    help: 'Label of this node, such as topology.kubernetes.io/zone=zone-a; those of a Node object of its name come before it',
  },
  nodeIp: {
    kind: 'ips',
    argument: 'IP',
    default: '',
    commands: VALIDITY,
    help: 'Address of this node that answers on nodePorts; replaces the detected ones and need not be on an interface',
  },
  clusterCidr: {
    kind: 'cidrs',
    argument: 'CIDR',
    default: '',
    commands: ['run'],
    help: 'Clients with an address in this range are pods and count as on this node, as for kube-proxy',
  },
  nodeportAddresses: {
    kind: 'node-addresses',
    argument: 'CIDR',
    alone: 'primary',
    default: '',
    commands: VALIDITY,
    help: 'Which addresses of this node answer on nodePorts: those in these ranges, or primary for its own one of each family; all of them when empty',
  },
  strictSourceRanges: {
    kind: 'boolean',
    argument: '',
    default: 'false',
    commands: ['run'],
    help: 'loadBalancerSourceRanges also guard nodePorts and externalIPs, and close a family that has no range; Kubernetes does neither',
  },
  serviceProxyName: {
    kind: 'text',
    argument: 'NAME',
    default: '',
    commands: VALIDITY,
    help: 'Serve only Services whose label service.kubernetes.io/service-proxy-name is this; only those without the label when empty',
  },
  allowLoopbackEndpoints: {
    kind: 'boolean',
    argument: '',
    default: 'false',
    commands: VALIDITY,
    help: 'Accept endpoints on 127.0.0.0/8 and ::1, for sidecars and tests',
  },
  serviceClusterIpRange: {
    kind: 'cidrs',
    argument: 'CIDR',
    default: '',
    commands: VALIDITY,
    help: 'A Service without a clusterIP gets one from the first of these ranges, the same one after every start; clusterIPs in any of them may be made local (--vip-mode)',
  },
  externalIpRange: {
    kind: 'cidrs',
    argument: 'CIDR',
    default: '',
    commands: ['run', 'doctor'],
    help: 'Where externalIPs may be made local (--vip-mode); others are served only where the machine has them',
  },
  vipMode: {
    kind: 'choice',
    argument: 'MODE',
    choices: ['auto', 'anyip', 'freebind', 'present'],
    default: 'auto',
    forwardDefault: 'present',
    commands: ['run', 'doctor'],
    help: 'What is done about addresses the machine lacks: make them local (anyip), bind anyway (freebind) or wait (present); auto is anyip where the process may',
  },
  serviceNodePortRange: {
    kind: 'port-range',
    argument: 'FROM-TO',
    default: '30000-32767',
    commands: VALIDITY,
    help: 'Where nodePorts without a number are taken from; a given number outside it is a warning',
  },
  onlyWithoutIpvs: {
    kind: 'boolean',
    argument: '',
    default: 'false',
    commands: ['run'],
    help: 'Serve only where IPVS does not work; elsewhere be ready, listen for no client, and look again at SIGHUP',
  },
  scheduler: {
    kind: 'choice',
    argument: 'NAME',
    choices: SCHEDULER_NAMES,
    default: 'rr',
    commands: ALL,
    help: 'How an endpoint is chosen, by a name of IPVS, p2c or random; a Service may say otherwise with portald.io/scheduler',
  },
  checkProgram: {
    kind: 'programs',
    argument: 'NAME=COMMAND',
    default: '',
    commands: VALIDITY,
    help: 'Program that checks endpoints where Services say portald.io/check: exec:NAME; an absolute path and words, {ip} and {port} in them, without a shell',
  },
  checksAtOnce: {
    kind: 'integer',
    argument: 'N',
    least: 1,
    most: 10_000,
    default: '64',
    commands: ['run'],
    help: 'How many endpoints may be asked at the same moment whether they work',
  },
  logLevel: {
    kind: 'choice',
    argument: 'LEVEL',
    choices: ['debug', 'info', 'warn', 'error', 'silent'],
    default: 'info',
    commands: SERVING,
    help: 'Least severe log lines that are written',
  },
  accessLog: {
    kind: 'text',
    argument: 'FILE',
    default: '',
    commands: SERVING,
    help: 'Where to write one line per session when it ends; - is standard output, empty is off',
  },
  accessLogFormat: {
    kind: 'access-format',
    argument: 'FORMAT',
    default: 'json',
    commands: SERVING,
    help: 'How the line of a session is written: json, or a text with fields in it, such as "{time} {client} {service} {end}"',
  },
  accessLogSample: {
    kind: 'integer',
    argument: 'N',
    default: '1',
    least: 1,
    most: 1_000_000,
    commands: SERVING,
    help: 'Of sessions that ended well, write a line of one in so many; of the others all',
  },
  metricsBindAddress: {
    kind: 'address',
    argument: 'IP:PORT',
    port: 10_249,
    default: '127.0.0.1:10249',
    forwardDefault: '',
    commands: SERVING,
    help: 'Address of /metrics and the health paths; empty switches it off',
  },
  metricsPerEndpoint: {
    kind: 'boolean',
    argument: '',
    default: 'false',
    commands: SERVING,
    help: 'Whether /metrics tells of single endpoints, too: as many series more as there are endpoints, eight times over',
  },
  healthzBindAddress: {
    kind: 'address',
    argument: 'IP:PORT',
    port: 10_256,
    default: '0.0.0.0:10256',
    forwardDefault: '',
    commands: SERVING,
    help: 'Address of /healthz, /livez and /readyz; empty switches it off',
  },
  ...ADMIN_OPTIONS,
  shutdownDelay: {
    kind: 'duration',
    argument: 'DURATION',
    default: '0s',
    commands: SERVING,
    help: 'After SIGTERM: how long to go on accepting while /readyz already says no',
  },
  drainTimeout: {
    kind: 'duration',
    argument: 'DURATION',
    default: '30s',
    commands: SERVING,
    help: 'After that: how long running sessions may take to finish before they are cut',
  },
  idleTimeout: {
    kind: 'duration',
    argument: 'DURATION',
    least: 1,
    default: '1h',
    commands: SERVING,
    help: 'How long a TCP session without a byte lasts; a Service may say otherwise with portald.io/idle-timeout',
  },
  halfCloseTimeout: {
    kind: 'duration',
    argument: 'DURATION',
    least: 1,
    default: '60s',
    commands: SERVING,
    help: 'How long one direction of a TCP session may stay open after the other; a Service may say otherwise with portald.io/half-close-timeout',
  },
  udpTimeout: {
    kind: 'duration',
    argument: 'DURATION',
    least: 1,
    default: '60s',
    commands: SERVING,
    help: 'How long a UDP session without a datagram lasts; a Service may say otherwise with portald.io/udp-timeout',
  },
} as const satisfies Readonly<Record<string, ConfigOption>>

/** What an option is called in a configuration file. */
export type OptionKey = keyof typeof CONFIG_OPTIONS

/** Every key, in the order of the table. */
export const OPTION_KEYS = Object.keys(CONFIG_OPTIONS) as readonly OptionKey[]

/** The table's row of a key, in its general form. */
export function configOption(key: OptionKey): ConfigOption {
  return CONFIG_OPTIONS[key]
}

/** The value when nothing is given, written as it would be given; the library counts as `forward`. */
export function defaultOf(key: OptionKey, command: OptionCommand): string {
  const option = configOption(key)
  return (command === 'forward' ? option.forwardDefault : undefined) ?? option.default
}

/** `nodeIp` → `node-ip`, without the dashes in front. */
export function flagOf(key: OptionKey): string {
  return key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
}

/** `nodeIp` → `PORTALD_NODE_IP`. */
export function variableOf(key: OptionKey): string {
  return `PORTALD_${flagOf(key).replaceAll('-', '_').toUpperCase()}`
}

/** Whether an option takes several values: its flag repeats, and one value may hold several between commas. */
export function isList(kind: OptionKind): boolean {
  return LISTS.includes(kind)
}
