import type { ConfigOption, OptionCommand } from './config-option.ts'

const SERVING: readonly OptionCommand[] = ['run', 'forward']

/** The options of the admin API. */
export const ADMIN_OPTIONS = {
  admin: {
    kind: 'admin-addresses',
    argument: 'ADDR',
    default: 'unix:',
    forwardDefault: '',
    commands: SERVING,
    help: 'Where the admin API is answered: IP:PORT, or unix:PATH; unix: alone is /run/portald.sock for root, else portald.sock in $XDG_RUNTIME_DIR; empty switches it off',
  },
  adminTlsCert: {
    kind: 'text',
    argument: 'FILE',
    default: '',
    commands: SERVING,
    help: 'Certificate (PEM) of the admin API, needed for every address of it that is not loopback; read again when it changes',
  },
  adminTlsKey: {
    kind: 'text',
    argument: 'FILE',
    default: '',
    commands: SERVING,
    help: 'Private key (PEM) of that certificate',
  },
  adminTokenFile: {
    kind: 'text',
    argument: 'FILE',
    default: '',
    commands: SERVING,
    help: 'Who may use the admin API from the network: lines of TOKEN,NAME or TOKEN,NAME,read-only; read again when it changes',
  },
  adminClientCa: {
    kind: 'text',
    argument: 'FILE',
    default: '',
    commands: SERVING,
    help: 'Whoever has a client certificate that this authority (PEM) has signed may, too; read again when it changes',
  },
  adminReadOnly: {
    kind: 'boolean',
    argument: '',
    default: 'false',
    commands: SERVING,
    help: 'The admin API changes nothing, whoever asks',
  },
  stateDir: {
    kind: 'text',
    argument: 'DIR',
    default: '',
    commands: ['run'],
    help: 'Where objects given to the admin API are kept; when empty /var/lib/portald for root, else portald in $XDG_STATE_HOME or ~/.local/state',
  },
} as const satisfies Readonly<Record<string, ConfigOption>>
