import { execute } from './cli/execute.ts'
import { exitAfterOutput, openOutput } from './cli/output.ts'

exitAfterOutput(await execute(process.argv.slice(2), { variables: process.env, output: openOutput() }))
