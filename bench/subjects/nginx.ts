import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { openChild } from '../child.ts'
import { maxOpenFiles } from '../machine.ts'
import { notInstalled, versionOf } from '../tools/installed.ts'
import type { ListenerPlan, Subject, SubjectPlan } from './subject.ts'

const DYNAMIC_MODULE = '/usr/lib/nginx/modules/ngx_stream_module.so'

function configuration(plan: SubjectPlan, listeners: readonly ListenerPlan[], directory: string): string {
  const servers = listeners.map(({ protocol, local, endpoints }, index) => {
    const members = endpoints.map(({ ip, port }) => `server ${ip}:${port};`).join(' ')
    const listen = protocol === 'udp' ? `${local.ip}:${local.port} udp` : `${local.ip}:${local.port} backlog=4096`
    return `  upstream u${index} { ${members} }\n  server { listen ${listen}; proxy_pass u${index}; }`
  })
  const files = maxOpenFiles()
  return `${existsSync(DYNAMIC_MODULE) ? `load_module ${DYNAMIC_MODULE};` : ''}
daemon off;
master_process ${plan.workers > 1 || plan.willReload ? 'on' : 'off'};
worker_processes ${plan.workers};
worker_rlimit_nofile ${files};
pid ${join(directory, 'nginx-subject.pid')};
error_log stderr error;
events { worker_connections ${files}; }
stream {
  access_log off;
  tcp_nodelay on;
  proxy_buffer_size 64k;
  proxy_connect_timeout 5s;
  proxy_timeout ${listeners[0]?.protocol === 'udp' ? '60s' : '1h'};
${servers.join('\n')}
}
`
}

export const nginx: Subject = {
  name: 'nginx',
  protocols: new Set(['tcp', 'udp']),
  reloads: true,
  scales: true,
  describe: () => `nginx ${versionOf('nginx', '-v') ?? ''}, stream, 64 KiB buffer, no logs`,
  async unavailable() {
    return (
      notInstalled('nginx') ?? (existsSync(DYNAMIC_MODULE) ? undefined : 'not installed: nginx stream (bench/install-peers.sh)')
    )
  },
  async open(lab, plan) {
    const directory = lab.directory
    const file = join(directory, 'nginx-subject.conf')
    await writeFile(file, configuration(plan, plan.listeners, directory))
    const command = ['nginx', '-p', directory, '-c', file, '-e', 'stderr']
    const child = await openChild({ name: 'nginx', command, cores: plan.cores, directory })
    return {
      addresses: plan.listeners.map(({ local }) => local),
      pids: () => [child.pid],
      gone: child.gone,
      async reload(listeners) {
        await writeFile(file, configuration(plan, listeners, directory))
        child.process.kill('SIGHUP')
      },
      [Symbol.asyncDispose]: () => child[Symbol.asyncDispose](),
    }
  },
}
