/** How the text of an option is read; the plural kinds are lists. */
export type OptionKind =
  | 'text'
  | 'texts'
  | 'choice'
  | 'integer'
  | 'boolean'
  | 'duration'
  | 'address'
  | 'ips'
  | 'cidr'
  | 'cidrs'
  | 'node-addresses'
  | 'labels'
  | 'port-range'
  | 'admin-addresses'
  | 'programs'
  | 'access-format'

/** The commands that take options. */
export type OptionCommand = 'run' | 'forward' | 'check' | 'doctor'

/** What a value may be. */
export interface ValueRule {
  readonly kind: OptionKind
  /** The words a `choice` may be. */
  readonly choices?: readonly string[]
  /** The least an `integer` may be, or a `duration` in milliseconds; 0 when left out. */
  readonly least?: number
  /** The most they may be; a `duration` may be 596 h when left out. */
  readonly most?: number
  /** The port of an `address` that names none. */
  readonly port?: number
  /** An item that has to be the only one of its list. */
  readonly alone?: string
}

/** One option of the process, whichever way it is given. */
export interface ConfigOption extends ValueRule {
  /** What stands for the value in help texts; empty for a switch. */
  readonly argument: string
  /** The value when nothing is given, written as it would be given; empty: nothing, or off. */
  readonly default: string
  /** The same for `forward` and the library, where it is another one. */
  readonly forwardDefault?: string
  /** The commands that take its flag. */
  readonly commands: readonly OptionCommand[]
  /** What it does, for help texts and docs: one or two sentences without a full stop at the end. */
  readonly help: string
}
