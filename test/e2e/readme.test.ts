import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { runCommand } from '../support/command.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'

const README = readFileSync(join(import.meta.dirname, '../../README.md'), 'utf8')

describe('README', () => {
  it('shows a Service that is accepted, and what it listens on', async () => {
    using folder = makeTemporaryFolder()
    const [, yaml] = /```yaml\n([\s\S]*?)```/.exec(README) ?? []
    const path = join(folder.path, 'services.yaml')
    writeFileSync(path, yaml ?? '')
    const { code, out } = await runCommand(['check', '--allow-loopback-endpoints', path])
    expect(out.trim()).toBe('TCP 127.77.0.1:8080 clusterIP default/web')
    expect(README).toContain(`# ${out.trim()}`)
    expect(code).toBe(0)
  })

  it('shows a problem as check words it', async () => {
    using folder = makeTemporaryFolder()
    const path = join(folder.path, 'services.yaml')
    const [, yaml] = /```yaml\n([\s\S]*?)```/.exec(README) ?? []
    writeFileSync(path, (yaml ?? '').replace('port: 8080', 'port: 0'))
    const { code, out } = await runCommand(['check', '--allow-loopback-endpoints', path])
    const [shown] = /^services\.yaml:.*$/m.exec(README) ?? []
    expect(out.split('\n')).toContain(`${folder.path}/${shown}`)
    expect(code).toBe(1)
  })
})
