import { parseArguments } from '../../src/cli/args.ts'
import { exitAfterOutput, openOutput } from '../../src/cli/output.ts'
import { run } from '../../src/cli/run.ts'
import { kernelFiles } from '../../src/lib/kernel-files.ts'

/** `portald run` as if the files of the kernel were below the folder that the first argument names. */
const [root, ...argv] = process.argv.slice(2) as [string, ...string[]]
const invocation = parseArguments(['run', ...argv])
if (invocation.command === 'run') {
  exitAfterOutput(await run(invocation, { variables: {}, output: openOutput() }, kernelFiles(root)))
}
