import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Child, openChild } from '../child.ts'
import { answers, assertFree, type Cores, type Lab, pause } from '../lab.ts'
import { maxOpenFiles } from '../machine.ts'
import type { Address } from '../subjects/subject.ts'
import { findProgram, versionOf } from '../tools/installed.ts'

export const HTTP_REQUEST = 'GET / HTTP/1.1\r\nHost: bench\r\n\r\n'
const HTTP_PORT = 20_080
const HTTP_ENDPOINTS = 3
const TEMPORARY = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']

export interface HttpEndpoints extends AsyncDisposable {
  readonly addresses: readonly Address[]
  readonly description: string
}

function nginxConfiguration(addresses: readonly Address[], directory: string, workers: number): string {
  return `daemon off;
master_process ${workers > 1 ? 'on' : 'off'};
worker_processes ${workers};
worker_rlimit_nofile ${maxOpenFiles()};
pid ${join(directory, 'nginx-endpoint.pid')};
error_log stderr error;
events { worker_connections ${maxOpenFiles()}; }
http {
  access_log off;
  keepalive_requests 1000000000;
  keepalive_timeout 1h;
${TEMPORARY.map((kind) => `  ${kind}_temp_path ${join(directory, kind)};`).join('\n')}
  server {
${addresses.map(({ ip, port }) => `    listen ${ip}:${port} backlog=4096;`).join('\n')}
    location / { return 200 "ok\\n"; }
  }
}
`
}

/** A tiny answer on three addresses: nginx where it is installed, else a small Node server, which is slower. */
export async function openHttpEndpoints(lab: Lab, cores: Cores): Promise<HttpEndpoints> {
  const addresses = Array.from({ length: HTTP_ENDPOINTS }, (_, index) => ({ ip: lab.endpointIp(index), port: HTTP_PORT }))
  for (const address of addresses) await assertFree('tcp', address)
  const directory = lab.directory
  let child: Child
  let description: string
  if (findProgram('nginx') !== undefined) {
    const file = join(directory, 'nginx-endpoint.conf')
    await writeFile(file, nginxConfiguration(addresses, directory, cores.loadThreads))
    const command = ['nginx', '-p', directory, '-c', file, '-e', 'stderr']
    child = await openChild({ name: 'nginx-endpoint', command, cores: cores.loadPin, directory })
    description = `nginx ${versionOf('nginx', '-v')} on ${HTTP_ENDPOINTS} addresses`
  } else {
    const program = join(import.meta.dirname, 'http-endpoint-program.ts')
    const command = [process.execPath, program, ...addresses.map(({ ip, port }) => `${ip}:${port}`)]
    child = await openChild({ name: 'node-endpoint', command, cores: cores.loadPin, directory })
    description = `node:http on ${HTTP_ENDPOINTS} addresses (nginx is not installed)`
  }
  for (const address of addresses) {
    while (!(await answers(address, HTTP_REQUEST))) {
      const gone = child.gone()
      if (gone !== undefined) throw new Error(gone)
      await pause(10)
    }
  }
  return { addresses, description, [Symbol.asyncDispose]: () => child[Symbol.asyncDispose]() }
}
