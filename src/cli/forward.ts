import { lookup } from 'node:dns/promises'
import { systemClock } from '../lib/clock.ts'
import { isLoopback, parseIp } from '../model/address.ts'
import type { GivenValues } from '../model/config.ts'
import type { Ip } from '../model/keys.ts'
import type { Problem } from '../model/problem.ts'
import { createLogger, type Logger } from '../observe/logger.ts'
import { prepareEngine } from '../runtime/choose-engine.ts'
import { readNodeContext } from '../runtime/node-context.ts'
import { type ForwardSourceOptions, openForwardSource } from '../source/forward-source.ts'
import { NO_JOURNAL } from '../store/journal.ts'
import { JournaledStore } from '../store/object-store.ts'
import { versionNow } from '../store/open-store.ts'
import { type CommandContext, refuseUsage } from './command-context.ts'
import { type ForwardArguments, parseForward } from './forward-arguments.ts'
import { ownObjects } from './own-objects.ts'
import { readConfiguration } from './read-configuration.ts'
import { serve } from './serve.ts'

/** Forwards one address to some endpoints until a signal ends it. */
export async function forward(
  words: ForwardArguments & { readonly flags: GivenValues },
  context: CommandContext,
): Promise<number> {
  const problems: Problem[] = []
  const plan = parseForward(words, problems)
  const given = await readConfiguration({ command: 'forward', flags: words.flags, variables: context.variables }, problems)
  if (!plan || !given) return refuseUsage('forward', problems, context)
  const logger = createLogger({ level: given.logLevel })
  const config = { ...given, files: [], allowLoopbackEndpoints: true }
  const prepared = prepareEngine(config, systemClock)
  await using store = new JournaledStore({ journal: NO_JOURNAL, firstVersion: versionNow(systemClock) })
  const sources = [openForwardSource(plan, sourceOptions(logger)), ownObjects(store)]
  return await serve({ config, prepared, sources, store, logger, warnings: problems })
}

function sourceOptions(logger: Logger): ForwardSourceOptions {
  return {
    clock: systemClock,
    async lookup(host) {
      const found = await lookup(host, { all: true })
      return found.map(({ address }) => parseIp(address)).filter((ip) => ip !== undefined)
    },
    localAddresses,
    onResolved(host, addresses) {
      if (parseIp(host) === undefined) logger.info('name.resolved', addresses.join(', '), { key: host, addresses })
    },
    onFailed(host, reason, kept) {
      logger.warn('name.failed', `${reason}; ${kept.length > 0 ? 'the last addresses stay in use' : 'it has none yet'}`, {
        key: host,
        kept,
      })
    },
  }
}

function localAddresses(): readonly Ip[] {
  const { nodePortAddresses } = readNodeContext({
    name: '',
    nodeLabels: {},
    nodeIps: [],
    nodeportAddresses: [],
    clusterCidrs: [],
  })
  return nodePortAddresses.toSorted((a, b) => Number(isLoopback(b)) - Number(isLoopback(a)))
}
