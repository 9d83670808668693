/** A program that checks endpoints: its name, the path, and the arguments. */
export type CheckProgram = readonly [name: string, argv: readonly string[]]

/** What `{…}` in an argument may say: address and port of the endpoint, and `default/web:http/TCP`. */
export const PROGRAM_FACTS = ['ip', 'port', 'service'] as const
export type ProgramFact = (typeof PROGRAM_FACTS)[number]

/** Reads `redis=/usr/bin/redis-cli -h {ip} ping`. Words are separated by spaces; there is no quoting, for there is no shell. */
export function parseCheckProgram(text: string): CheckProgram | undefined {
  const [, name, command = ''] = /^([\w.-]{1,63})=(.*)$/s.exec(text) ?? []
  const argv = command.split(' ').filter((word) => word !== '')
  return name !== undefined && argv[0]?.startsWith('/') && !text.includes('\0') ? [name, argv] : undefined
}

/** The arguments for one endpoint. */
export function argumentsFor(argv: readonly string[], facts: Readonly<Record<ProgramFact, string>>): readonly string[] {
  return argv.map((word) => word.replace(/\{(ip|port|service)\}/g, (_, fact: ProgramFact) => facts[fact]))
}
