import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { execute } from '../../src/cli/execute.ts'
import { type RunningCommand, startCommand } from './command.ts'
import { type NamedServer, openNamedServer } from './named-servers.ts'
import { listObjects } from './one-service.ts'
import { makeTemporaryFolder } from './temporary-folder.ts'
import { createWrittenOutput } from './written-output.ts'

/** What a command said, and how it ended. */
export interface Said {
  readonly code: number
  readonly out: string
  readonly err: string
  readonly drawn: string
}

/** A portald in a process of its own that serves `default/web` on port 8080, and commands that ask it. */
export interface ClientWorld extends AsyncDisposable {
  readonly servers: readonly NamedServer[]
  readonly portald: RunningCommand
  /** Where it answers. */
  readonly admin: string
  /** Runs a command of portald's; on a terminal where it has a width. */
  say(argv: readonly string[], width?: number): Promise<Said>
  /** The same with JSON on standard output. */
  ask<T>(argv: readonly string[]): Promise<T>
}

/** Opens one at an address, with a server for each name. */
export async function openClientWorld(ip: string, engine: readonly string[], names: readonly string[]): Promise<ClientWorld> {
  await using stack = new AsyncDisposableStack()
  const folder = stack.use(makeTemporaryFolder())
  const servers = await Promise.all(names.map((name) => openNamedServer(name)))
  for (const server of servers) stack.use(server)
  const path = join(folder.path, 'services.json')
  writeFileSync(
    path,
    listObjects(
      ip,
      servers.map(({ port }) => port),
    ),
  )
  const admin = `unix:${join(folder.path, 'p.sock')}`
  const off = ['--metrics-bind-address', '', '--healthz-bind-address', '']
  const portald = stack.use(startCommand(['--file', path, '--allow-loopback-endpoints', '--admin', admin, ...engine, ...off]))
  await portald.event('admin.opened')
  await portald.event('proxy.ready')
  const held = stack.move()
  const world: ClientWorld = {
    servers,
    portald,
    admin,
    async say(argv, width) {
      const output = createWrittenOutput(width)
      const code = await execute(argv, { variables: { PORTALD_ADMIN: admin }, output })
      return { code, ...output.written }
    },
    async ask<T>(argv: readonly string[]) {
      return JSON.parse((await world.say([...argv, '-o', 'json'])).out) as T
    },
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  }
  return world
}
