import { renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type RunningCommand, startCommandIn } from './command.ts'
import { ENDPOINT_PORT, ENDPOINTS, type NetLab } from './net-lab.ts'
import { aService, aSlice, type Json } from './objects.ts'
import { makeTemporaryFolder } from './temporary-folder.ts'

/** What a Service of the lab listens on: TCP 80 and UDP 53, for both families. */
export const PORTS = [
  { name: 'web', port: 80 },
  { name: 'dns', port: 53, protocol: 'UDP' },
]
const ENDPOINT_PORTS = [
  { name: 'web', port: ENDPOINT_PORT },
  { name: 'dns', port: ENDPOINT_PORT, protocol: 'UDP' },
]

/** A Service with the lab's two endpoints in each family. */
export function labObjects(name: string, spec: Json, annotations: Json = {}, rest: Json = {}): readonly Json[] {
  // Hosts that have only just been plugged in may take a second to find each other.
  const metadata = { annotations: { 'portald.io/connect-timeout': '3s', ...annotations } }
  const slice = (family: 4 | 6) =>
    aSlice(name, ENDPOINTS[family], { name: `${name}-${family}`, ports: ENDPOINT_PORTS, addressType: `IPv${family}` })
  return [aService(name, { ports: PORTS, ...spec }, metadata, rest), slice(4), slice(6)]
}

/** The program in the lab's node, with a file of its own. */
export interface LabProxy extends AsyncDisposable {
  readonly command: RunningCommand
  /** Writes other objects; they are in force soon. */
  apply(objects: readonly unknown[]): void
  /** Ends it as a supervisor would; resolves with its exit code. */
  stop(): Promise<number | null>
}

/** Starts it; it has tried every listener. */
export async function startLabProxy(lab: NetLab, flags: readonly string[], objects: readonly unknown[]): Promise<LabProxy> {
  const folder = makeTemporaryFolder()
  const file = join(folder.path, 'objects.json')
  const apply = (items: readonly unknown[]) => {
    writeFileSync(`${file}.new`, JSON.stringify({ apiVersion: 'v1', kind: 'List', items }))
    renameSync(`${file}.new`, file)
  }
  apply(objects)
  const off = ['--metrics-bind-address', '', '--healthz-bind-address', '']
  // So that the end need not wait for UDP clients that said their last long ago.
  const quick = ['--udp-timeout', '300ms', '--drain-timeout', '5s']
  const command = startCommandIn(lab.node.namespace, ['run', '--file', file, ...off, ...quick, ...flags])
  const proxy: LabProxy = {
    command,
    apply,
    async stop() {
      command.process.kill('SIGTERM')
      return (await command.exit).code
    },
    async [Symbol.asyncDispose]() {
      await command[Symbol.asyncDispose]()
      folder[Symbol.dispose]()
    },
  }
  await command.event('proxy.ready')
  return proxy
}
