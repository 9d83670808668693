import { ProxyError } from '../lib/errors.ts'
import { readPackageVersion } from '../lib/package-version.ts'
import { parseArguments } from './args.ts'
import { type CommandContext, EXIT } from './command-context.ts'

/** Does what a command line asks for; resolves with the exit code when it is done. Commands are loaded when needed, so
 *  that none waits for what another one uses. */
export async function execute(argv: readonly string[], context: CommandContext): Promise<number> {
  const { output } = context
  const invocation = parseArguments(argv)
  try {
    switch (invocation.command) {
      case 'run':
        return await (await import('./run.ts')).run(invocation, context)
      case 'forward':
        return await (await import('./forward.ts')).forward(invocation, context)
      case 'check':
        return await (await import('./check.ts')).check(invocation, context)
      case 'doctor':
        return await (await import('./doctor.ts')).doctor(invocation, context)
      case 'cleanup':
        return await (await import('./cleanup.ts')).cleanup(output)
      case 'config':
        return await (await import('./show-config.ts')).showConfig(invocation, context)
      case 'completion':
        output.out((await import('./completion.ts')).completionScript(invocation.shell, invocation.table))
        return EXIT.done
      case 'client':
        return await (await import('./client/run-client.ts')).runClient(invocation, context)
      case 'version':
        output.out(`portald ${readPackageVersion()} (node ${process.versions.node})`)
        return EXIT.done
      case 'say':
        output.out(invocation.out)
        output.err(invocation.err)
        return invocation.exitCode
    }
  } catch (error) {
    // Foreseen, and said in its message; anything else is a fault of ours and shows its stack.
    if (!(error instanceof ProxyError) || error.origin === 'bug') throw error
    output.err(`portald: ${error.message}`)
    return error.origin === 'config' ? EXIT.usage : EXIT.problem
  }
}
