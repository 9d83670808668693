import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Child, openChild } from '../child.ts'
import type { Lab } from '../lab.ts'
import { maxOpenFiles } from '../machine.ts'
import { notInstalled, versionOf } from '../tools/installed.ts'
import type { ListenerPlan, Subject, SubjectPlan } from './subject.ts'

const RESERVED_DESCRIPTORS = 200
/** Enough for the bulk scenarios; HAProxy would keep descriptors for a quarter of its connections. */
const MAX_PIPES = 200

/** Two descriptors a session and a pipe; above the hard limit HAProxy refuses to start. */
function maxConnections(listeners: number): number {
  return Math.min(50_000, Math.floor((maxOpenFiles() - RESERVED_DESCRIPTORS - listeners) / 2) - MAX_PIPES)
}

function configuration(plan: SubjectPlan, listeners: readonly ListenerPlan[], splice: boolean, socket: string): string {
  const sections = listeners.map(({ local, endpoints }, index) =>
    [
      `listen l${index}`,
      `  bind ${local.ip}:${local.port}`,
      ...endpoints.map(({ ip, port }, number) => `  server e${number} ${ip}:${port}`),
    ].join('\n'),
  )
  return `global
  nbthread ${plan.workers}
  maxconn ${maxConnections(listeners.length)}
  maxpipes ${MAX_PIPES}
  stats socket ${socket} mode 600 level admin expose-fd listeners
defaults
  mode tcp
  balance roundrobin
  timeout connect 5s
  timeout client 1h
  timeout server 1h
${splice ? '  option splice-request\n  option splice-response\n' : ''}${sections.join('\n')}
`
}

/** Splice is asked for outright: `splice-auto` never spliced iperf3's streams in 2.6 and cost the same as copying. */
function haproxySubject(name: string, splice: boolean): Subject {
  return {
    name,
    protocols: new Set(['tcp']),
    reloads: true,
    scales: true,
    describe: () =>
      `HAProxy ${versionOf('haproxy', '-v') ?? ''}, mode tcp, ${splice ? 'splice-request and -response' : 'copy'}, no logs`,
    unavailable: async () => notInstalled('haproxy'),
    async open(lab: Lab, plan: SubjectPlan) {
      const directory = lab.directory
      const file = join(directory, `${name}.cfg`)
      const socket = join(directory, `${name}.sock`)
      const children: Child[] = []
      const start = async (listeners: readonly ListenerPlan[], takeOver: readonly string[]) => {
        await writeFile(file, configuration(plan, listeners, splice, socket))
        children.push(
          await openChild({ name, command: ['haproxy', '-db', '-f', file, ...takeOver], cores: plan.cores, directory }),
        )
      }
      await start(plan.listeners, [])
      return {
        addresses: plan.listeners.map(({ local }) => local),
        pids: () => children.filter((child) => child.gone() === undefined).map(({ pid }) => pid),
        gone: () => children.at(-1)?.gone(),
        // Its own way without a master: the new process takes the sockets over and tells the old one to finish.
        reload: (listeners) => start(listeners, ['-x', socket, '-sf', `${children.at(-1)?.pid}`]),
        async [Symbol.asyncDispose]() {
          for (const child of children) await child[Symbol.asyncDispose]()
        },
      }
    },
  }
}

export const haproxy = haproxySubject('haproxy', false)
export const haproxySplice = haproxySubject('haproxy-splice', true)
