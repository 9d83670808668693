import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { openChild } from '../child.ts'
import type { Subject } from './subject.ts'

/** What anyone would write in ten lines of Node: `pipe()` both ways, one `node:dgram` socket per client. */
export const plainPipe: Subject = {
  name: 'plain-pipe',
  protocols: new Set(['tcp', 'udp']),
  reloads: false,
  scales: false,
  describe: () => `Node ${process.versions.node}, node:net pipe() both ways, node:dgram`,
  unavailable: async () => undefined,
  async open(lab, plan) {
    const file = join(lab.directory, 'plain-pipe.json')
    await writeFile(file, JSON.stringify(plan.listeners))
    const program = join(import.meta.dirname, 'plain-pipe-program.js')
    const command = [process.execPath, program, file]
    const child = await openChild({ name: 'plain-pipe', command, cores: plan.cores, directory: lab.directory })
    return {
      addresses: plan.listeners.map(({ local }) => local),
      pids: () => [child.pid],
      gone: child.gone,
      [Symbol.asyncDispose]: () => child[Symbol.asyncDispose](),
    }
  },
}
