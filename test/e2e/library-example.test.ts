import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { describe, expect, it } from 'vitest'
import { startNode } from '../support/command.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'

const ROOT = join(import.meta.dirname, '../..')

describe('library example', () => {
  it.each(['library.md', 'proxy-protocol.md', 'client-limits.md'])('of docs/%s prints what it says, and ends', async (page) => {
    using folder = makeTemporaryFolder()
    const [, code, printed] =
      /```js\n([\s\S]+?)```[\s\S]+?```\n([\s\S]+?)```/.exec(readFileSync(join(ROOT, 'docs', page), 'utf8')) ?? []
    const path = join(folder.path, 'example.mjs')
    writeFileSync(path, (code as string).replace("'portald'", `'${pathToFileURL(join(ROOT, 'src/library.ts'))}'`))
    await using example = startNode([path])
    expect(await example.exit).toEqual({ code: 0, signal: null })
    expect({ out: example.out(), err: example.err() }).toEqual({ out: printed, err: '' })
  })
})
