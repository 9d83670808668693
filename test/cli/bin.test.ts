import { cpSync, existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { startNode } from '../support/command.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'

const ROOT = join(import.meta.dirname, '../..')
const BIN = join(ROOT, 'bin/portald.js')

/** A folder with the entry alone, as if nothing had been built. */
function copyBin(folder: string): string {
  mkdirSync(join(folder, 'bin'))
  cpSync(BIN, join(folder, 'bin/portald.js'))
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
  return join(folder, 'bin/portald.js')
}

async function run(args: readonly string[]) {
  await using command = startNode(args)
  const { code } = await command.exit
  return { code, out: command.out(), err: command.err() }
}

describe('program entry', () => {
  it.each([
    ['20.20.2', 2],
    ['22.12.9', 2],
    ['18.0.0', 2],
  ])('refuses Node %s in one line', async (version, exitCode) => {
    const pretend = `data:text/javascript,Object.defineProperty(process,"versions",{value:{...process.versions,node:"${version}"}})`
    const { code, out, err } = await run(['--import', pretend, BIN])
    expect({ code, out, err }).toEqual({
      code: exitCode,
      out: '',
      err: `portald needs Node.js 22.13 or newer, and this is ${version}; see https://nodejs.org\n`,
    })
  })

  it('says in one line how to build what was not built', async () => {
    using folder = makeTemporaryFolder()
    expect(await run([copyBin(folder.path)])).toEqual({
      code: 2,
      out: '',
      err: 'portald is not built yet: run "npm run build" where it is installed\n',
    })
  })

  it('hands over to the build, and hides none of its faults', async () => {
    using folder = makeTemporaryFolder()
    const bin = copyBin(folder.path)
    mkdirSync(join(folder.path, 'dist'))
    writeFileSync(join(folder.path, 'dist/main.js'), 'import "./missing.js"')
    const { code, err } = await run([bin])
    expect(code).toBe(1)
    expect(err).toContain('missing.js')
  })

  it.skipIf(!existsSync(join(ROOT, 'dist/main.js')))('runs what was built', async () => {
    expect(await run([BIN, 'version'])).toMatchObject({ code: 0, out: expect.stringMatching(/^portald \d+\.\d+\.\d+/), err: '' })
  })
})
