import type { ClientOptions } from '../client-arguments.ts'
import type { CommandContext } from '../command-context.ts'
import type { AdminClient } from './admin-client.ts'

/** A command that asks a running portald: what it is given. */
export interface Asking {
  readonly client: AdminClient
  readonly words: readonly string[]
  readonly options: ClientOptions
  readonly context: CommandContext
}
