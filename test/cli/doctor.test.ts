import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { doctor } from '../../src/cli/doctor.ts'
import type { Diagnosis } from '../../src/cli/doctor-checks.ts'
import { kernelFiles } from '../../src/lib/kernel-files.ts'
import type { GivenValues } from '../../src/model/config.ts'
import { runCommand } from '../support/command.ts'
import { type KernelTree, makeKernelTree } from '../support/kernel-tree.ts'
import { listObjects } from '../support/one-service.ts'
import { makeTemporaryFolder, type TemporaryFolder } from '../support/temporary-folder.ts'
import { createWrittenOutput } from '../support/written-output.ts'

/** A machine with everything, on which an ordinary user runs portald. */
const MACHINE = {
  '/proc/self/limits':
    'Limit  Soft Limit  Hard Limit  Units\nMax open files            1048576              1048576              files\n',
  '/proc/self/status': 'Name:\tnode\nCapEff:\t0000000000000400\n',
  '/proc/sys/net/ipv4/ip_unprivileged_port_start': '1024\n',
  '/proc/sys/fs/inotify/max_user_watches': '65536\n',
  '/proc/sys/fs/inotify/max_user_instances': '128\n',
  '/proc/net/protocols': 'protocol  size sockets\nTCPv6     2480      3\nSCTP      1800      0\n',
  '/sys/devices/system/clocksource/clocksource0/current_clocksource': 'tsc\n',
  '/proc/modules': 'ip_vs 180224 2 ip_vs_rr, Live 0x0\n',
}

let folder: TemporaryFolder
beforeAll(() => {
  folder = makeTemporaryFolder()
})
afterAll(() => folder[Symbol.dispose]())

async function examine(tree: KernelTree, { json = false, ipvs = false, flags = {} as GivenValues } = {}) {
  const output = createWrittenOutput()
  const code = await doctor({ json, ipvs, flags }, { variables: {}, output }, kernelFiles(tree.root))
  return { code, ...output.written }
}

async function checks(tree: KernelTree, flags: GivenValues = {}) {
  const { code, out } = await examine(tree, { json: true, flags })
  const { ok, checks } = JSON.parse(out) as { ok: boolean; checks: readonly Diagnosis[] }
  return { code, ok, byName: Object.fromEntries(checks.map((check) => [check.name, check])) }
}

describe('doctor', () => {
  it('reads what the kernel tells, and exits with 0 when nothing fails', async () => {
    using tree = makeKernelTree(MACHINE)
    const { code, ok, byName } = await checks(tree)
    expect({ code, ok }).toEqual({ code: 0, ok: true })
    expect(byName).toMatchObject({
      descriptors: { status: 'ok', found: 'room for about 524188 TCP sessions' },
      'low-ports': { status: 'ok', found: 'those below 1024 can be listened on' },
      vips: { status: 'ok', found: 'present: anyip is not possible: CAP_NET_ADMIN is missing' },
      inotify: { status: 'ok', found: '65536 watches, 128 instances for each user' },
      sctp: { status: 'ok', found: expect.stringContaining('has its own loaded') },
      capabilities: { status: 'ok', found: 'CAP_NET_BIND_SERVICE' },
      clock: { status: 'ok', found: expect.stringMatching(/, from tsc$/) },
      ipvs: { status: 'ok', found: 'works here: /proc/modules: ip_vs is loaded' },
    })
  })

  it('does without a kernel that tells anything', async () => {
    using tree = makeKernelTree({})
    const { code, byName } = await checks(tree)
    expect(code).toBe(0)
    expect(byName['descriptors']).toMatchObject({ status: 'warn', found: 'room for about 412 TCP sessions' })
  })

  it('looks at what Services need: addresses and ports', async () => {
    using tree = makeKernelTree({ ...MACHINE, '/proc/self/status': 'CapEff:\t0000000000000000\n' })
    const path = join(folder.path, 'services.json')
    const flags = { file: [path], allowLoopbackEndpoints: ['true'] }
    writeFileSync(path, listObjects('127.65.0.1', [9000]))
    expect(await checks(tree, flags)).toMatchObject({
      code: 0,
      byName: { addresses: { status: 'ok' }, 'low-ports': { status: 'ok' }, objects: { found: 'no error, 1 listener' } },
    })
    writeFileSync(path, listObjects('192.0.2.77', [9000]).replace('"port":8080', '"port":80'))
    expect(await checks(tree, flags)).toMatchObject({
      code: 1,
      ok: false,
      byName: {
        addresses: { status: 'fail', found: 'not on this machine: 192.0.2.77' },
        'low-ports': { status: 'fail', found: 'not permitted below 1024; wanted: 80' },
      },
    })
    // Bound whether or not the machine has it.
    expect(await checks(tree, { ...flags, vipMode: ['freebind'], engine: ['native'] })).toMatchObject({
      byName: { vips: { found: 'freebind: it was asked for' }, addresses: { status: 'ok' } },
    })
    expect(await checks(tree, { ...flags, vipMode: ['freebind'], engine: ['node'] })).toMatchObject({
      byName: { vips: { status: 'fail', found: '--vip-mode freebind: needs the native engine' } },
    })
  })

  it('prints a line a check that fits a terminal, with what to do below', async () => {
    using tree = makeKernelTree({ ...MACHINE, '/proc/self/limits': 'Max open files 1024 4096 files\n' })
    const { out } = await examine(tree, { flags: { engine: ['node'], nodeIp: ['192.0.2.1'] } })
    const lines = out.trimEnd().split('\n')
    expect(lines).toContain('warn  descriptors   room for about 412 TCP sessions')
    expect(lines).toContain('                    raise the limit: LimitNOFILE=1048576 in a unit, or ulimit -n')
    expect(lines.filter((line) => line.length > 80)).toEqual([])
  })

  it('answers for IPVS by its exit code, and says what it looked at', async () => {
    using tree = makeKernelTree(MACHINE)
    expect(await examine(tree, { ipvs: true })).toEqual({
      code: 0,
      out: ['IPVS works here', '  /proc/net/ip_vs: not there', '  /proc/modules: ip_vs is loaded'].join('\n'),
      err: '',
    })
    tree.set('/proc/modules', '')
    const { code, out } = await examine(tree, { ipvs: true, json: true })
    expect({ code, ...JSON.parse(out) }).toEqual({
      code: 1,
      works: false,
      looked: [
        { place: '/proc/net/ip_vs', found: 'not there' },
        { place: '/proc/modules', found: 'ip_vs is not loaded' },
      ],
    })
  })

  it('refuses wrong options, and tells of a kube-proxy file what it would ignore', async () => {
    using tree = makeKernelTree(MACHINE)
    expect(await examine(tree, { flags: { engine: ['fast'] } })).toMatchObject({ code: 2, out: '' })
    const config = join(folder.path, 'config.conf')
    writeFileSync(config, 'apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\nmode: ipvs\n')
    expect((await examine(tree, { flags: { config: [config] } })).err).toContain('config.conf:3: warning: mode: "ipvs"')
  })

  it('runs on this machine', async () => {
    const { code, out } = await runCommand(['doctor', '--json'])
    const { ok, checks } = JSON.parse(out)
    expect(code).toBe(ok ? 0 : 1)
    expect(checks.length).toBeGreaterThan(8)
    expect([0, 1]).toContain((await runCommand(['doctor', '--ipvs'])).code)
  })

  it('fails where the engine that was asked for cannot run', async () => {
    const { code, out } = await runCommand(['doctor', '--engine', 'native'], { NODE_OPTIONS: '--no-addons' })
    expect(code).toBe(1)
    expect(out).toMatch(/^fail {2}engine {8}engine native: koffi does not load/m)
  })
})
