import type { BatchFailures, Family, IpRoute } from '../../src/vip/iproute.ts'

interface FakeRoute {
  readonly dst: string
  readonly dev: string
  readonly protocol: string
  readonly metric: number
  readonly source: string | undefined
}

/** The local addresses of a machine, and the program that changes them. */
export class FakeKernel implements IpRoute {
  readonly routes: { readonly [F in Family]: FakeRoute[] } = { 4: [], 6: [] }
  /** Every command that was asked for, in order. */
  readonly commands: string[] = []
  /** Commands that contain this fail, with that reason. */
  readonly refused = new Map<string, string>()
  /** What `localRoutes` fails with. */
  unreadable: string | undefined

  constructor() {
    this.somebodys(4, '127.0.0.0/8', 'lo')
    this.somebodys(4, '192.0.2.1', 'eth0')
    this.somebodys(6, '2001:db8::1', 'eth0')
  }

  /** Somebody else makes an address local. */
  somebodys(family: Family, dst: string, dev: string): void {
    this.routes[family].push({ dst, dev, protocol: '2', metric: 0, source: undefined })
  }

  /** Local addresses of this program's, with the instance in their metric, and addresses on `lo`. */
  ours(): string[] {
    return ([4, 6] as const).flatMap((family) =>
      this.routes[family].flatMap(({ dst, dev, protocol, metric, source }) => {
        if (protocol === '112') return [`${dst} ${metric}${source === undefined ? '' : ` from ${source}`}`]
        return family === 6 && dev === 'lo' ? [`${dst} on lo`] : []
      }),
    )
  }

  async version() {
    return { version: 'iproute2-6.1.0' }
  }

  async localRoutes(family: Family) {
    if (this.unreadable !== undefined) return { failed: this.unreadable }
    return { json: JSON.stringify(this.routes[family].map((route) => ({ type: 'local', flags: [], ...route }))) }
  }

  async batch(family: Family, commands: readonly string[]): Promise<BatchFailures> {
    const failures = new Map<number, string>()
    for (const [line, command] of commands.entries()) {
      this.commands.push(command)
      const reason = [...this.refused].find(([part]) => command.includes(part))?.[1] ?? this.#do(family, command)
      if (reason !== undefined) failures.set(line, reason)
    }
    return failures
  }

  #do(family: Family, command: string): string | undefined {
    const words = command.split(' ')
    const after = (word: string) => words[words.indexOf(word) + 1] as string
    const [kind, verb] = words
    const isRoute = kind === 'route'
    const dst = (isRoute ? after('local') : (words[2] as string)).replace(/\/(32|128)$/, '')
    const protocol = isRoute ? after('proto') : '2'
    const metric = isRoute ? Number(after('metric')) : 0
    const source = words.includes('src') ? after('src') : undefined
    const known = this.routes[family].findIndex((route) => route.dst === dst && route.metric === metric)
    if (verb === 'add') {
      if (known >= 0) return 'File exists'
      this.routes[family].push({ dst, dev: 'lo', protocol, metric, source })
      return undefined
    }
    if (known < 0) return 'No such process'
    this.routes[family].splice(known, 1)
    return undefined
  }
}
