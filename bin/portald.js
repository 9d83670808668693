#!/usr/bin/env node
// Written so that old Nodes can parse it: they are told in one line what is missing, instead of showing a stack trace.
var version = process.versions.node.split('.').map(Number)

if (version[0] < 22 || (version[0] === 22 && version[1] < 13)) {
  process.stderr.write(`portald needs Node.js 22.13 or newer, and this is ${process.versions.node}; see https://nodejs.org\n`)
  process.exitCode = 2
} else {
  // Before anything else: without a handler Node answers this signal by opening its inspector, to whoever asks. Commands that
  // write files open them anew.
  process.on('SIGUSR1', () => {})
  import('../dist/main.js').catch((error) => {
    var missing = error.code === 'ERR_MODULE_NOT_FOUND' && /dist[\\/]main\.js/.test(error.url || error.message)
    process.stderr.write(missing ? 'portald is not built yet: run "npm run build" where it is installed\n' : `${error.stack}\n`)
    process.exitCode = missing ? 2 : 1
  })
}
