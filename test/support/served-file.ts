import { mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { dump } from 'js-yaml'
import { type RunningCommand, startCommand } from './command.ts'
import type { Json } from './objects.ts'
import { makeTemporaryFolder } from './temporary-folder.ts'
import { type EngineName, worldInputs } from './world.ts'

/** Objects as a YAML file of several documents. */
export function yamlOf(objects: readonly (Json | readonly Json[])[]): string {
  return objects
    .flat()
    .map((object) => dump(object))
    .join('---\n')
}

/** Writes a file beside another and renames it over that one, as careful programs do. */
export function replaceFile(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(`${path}.new`, text)
  renameSync(`${path}.new`, path)
}

export interface ServedFile extends AsyncDisposable {
  readonly command: RunningCommand
  /** The file's path. */
  readonly path: string
  readonly folder: string
  /** Writes these objects over the file. */
  write(...objects: readonly (Json | readonly Json[])[]): void
  /** What `/readyz` says. */
  readyz(): Promise<number>
}

/** `portald run` with one file in a folder of its own, as a process. Health checks and metrics are at `.254:10256` and
 *  `:10249` of the network. `objects` undefined: the file is not there. */
export function serveFile(
  engine: EngineName,
  network: string,
  objects: readonly (Json | readonly Json[])[] | undefined,
  flags: readonly string[] = [],
): ServedFile {
  const folder = makeTemporaryFolder()
  const path = join(folder.path, 'services.yaml')
  if (objects) writeFileSync(path, yamlOf(objects))
  const { workers, nodeIp } = worldInputs(engine, network)
  const command = startCommand([
    'run',
    ...['--file', path, '--engine', engine, '--workers', `${workers}`, '--node-ip', `${nodeIp}`, '--allow-loopback-endpoints'],
    ...['--metrics-bind-address', `${network}.254:10249`, '--healthz-bind-address', `${network}.254:10256`],
    ...flags,
  ])
  return {
    command,
    path,
    folder: folder.path,
    write: (...next) => replaceFile(path, yamlOf(next)),
    readyz: async () => (await fetch(`http://${network}.254:10256/readyz`)).status,
    async [Symbol.asyncDispose]() {
      await command[Symbol.asyncDispose]()
      folder[Symbol.dispose]()
    },
  }
}
