import { readdirSync, readFileSync } from 'node:fs'
import { silentLogger } from '../../src/observe/logger.ts'
import type { ChildAnswer, ChildRequest } from './proxy-process.ts'
import { openWholeProxy, type WholeProxy } from './whole-proxy.ts'

/** The entry of a process with nothing in it but a proxy: see `proxy-process.ts`. */
let whole: WholeProxy | undefined

function answer(reply: ChildAnswer): void {
  process.send?.(reply)
}

/** Collects garbage until there is no more to be found: one round leaves what finalizers let go. */
async function collect(): Promise<void> {
  for (let round = 0; round < 3; round++) {
    globalThis.gc?.()
    await new Promise<void>((resolve) => setImmediate(resolve))
  }
}

async function obey(request: ChildRequest): Promise<Omit<ChildAnswer, 'ticket'>> {
  switch (request.do) {
    case 'open':
      whole = await openWholeProxy({ inputs: request.inputs, objects: request.objects, logger: silentLogger })
      return {}
    case 'apply':
      await whole?.apply(request.objects)
      return {}
    case 'measure': {
      await collect()
      const { heapUsed, external } = process.memoryUsage()
      return {
        footprint: {
          descriptors: readdirSync('/proc/self/fd').length,
          residentBytes: Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync('/proc/self/status', 'latin1'))?.[1]) * 1024,
          heapBytes: heapUsed + external,
          sessions: whole?.proxy.read().sessions ?? 0,
          cpuMs: (process.cpuUsage().user + process.cpuUsage().system) / 1000,
        },
      }
    }
    case 'close':
      await whole?.[Symbol.asyncDispose]()
      return {}
  }
}

process.on('message', (request: ChildRequest) => {
  obey(request)
    .then((reply) => answer({ ticket: request.ticket, ...reply }))
    .catch((error: unknown) => answer({ ticket: request.ticket, error: String(error) }))
})
process.on('disconnect', () => process.exit(1))
