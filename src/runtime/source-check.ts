import { isLocalAddress } from '../lib/local-address.ts'
import type { Ip } from '../model/keys.ts'
import type { Service } from '../model/service.ts'
import type { Logger } from '../observe/logger.ts'

/** Says of addresses that endpoints are to be connected from, once of each, if they are not this machine's. */
export class SourceCheck {
  readonly #logger: Logger
  readonly #isLocal: (ip: Ip) => Promise<boolean>
  readonly #seen = new Set<Ip>()

  constructor(logger: Logger, isLocal: (ip: Ip) => Promise<boolean> = isLocalAddress) {
    this.#logger = logger
    this.#isLocal = isLocal
  }

  /** Looks at those that a Service asks for and that it has not seen yet. */
  async look({ key, options }: Pick<Service, 'key' | 'options'>): Promise<void> {
    for (const ip of options.sourceAddresses ?? []) {
      if (this.#seen.has(ip)) continue
      this.#seen.add(ip)
      if (await this.#isLocal(ip)) continue
      const message = `${ip} is not an address of this machine now: endpoints are connected from the others that are listed`
      this.#logger.warn('source-address.missing', message, { key, address: ip })
    }
  }
}
