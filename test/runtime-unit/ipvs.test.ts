import { describe, expect, it } from 'vitest'
import { kernelFiles } from '../../src/lib/kernel-files.ts'
import { findIpvs } from '../../src/runtime/ipvs.ts'
import { makeKernelTree } from '../support/kernel-tree.ts'

const RELEASE = { '/proc/sys/kernel/osrelease': '6.1.0-13-amd64\n' }
const MODULES = '/lib/modules/6.1.0-13-amd64'
const TABLE = `IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port Forward Weight ActiveConn InActConn
TCP  0A600001:01BB rr
  -> 0AE52B02:192B      Masq    1      0          0
UDP  0A60000A:0035 rr
`
const LOADED = 'ip_vs_rr 16384 0 - Live 0x0\nip_vs 180224 2 ip_vs_rr, Live 0x0\nnf_conntrack 188416 1 ip_vs, Live 0x0\n'
const NOT_LOADED = 'ip_vs_ftp 16384 0 - Live 0x0\nnf_conntrack 188416 0 - Live 0x0\n'

function find(files: Readonly<Record<string, string>>) {
  using tree = makeKernelTree(files)
  const { works, reason, looked } = findIpvs(kernelFiles(tree.root))
  return { works, reason, looked: Object.fromEntries(looked.map(({ place, found }) => [place, found])) }
}

describe('IPVS', () => {
  it('works where the kernel has its table', () => {
    expect(find({ ...RELEASE, '/proc/net/ip_vs': TABLE })).toEqual({
      works: true,
      reason: '/proc/net/ip_vs: there, with 2 virtual servers',
      looked: {
        '/proc/net/ip_vs': 'there, with 2 virtual servers',
        '/proc/modules': 'not there: the kernel has no modules, or hides them',
        [`${MODULES}/modules.builtin`]: 'not there',
        [`${MODULES}/modules.dep`]: 'not there',
      },
    })
  })

  it('works where its module is loaded, though a container does not show the table', () => {
    expect(find({ ...RELEASE, '/proc/modules': LOADED })).toMatchObject({ works: true, reason: '/proc/modules: ip_vs is loaded' })
  })

  it('works where it is built in, or on disk and loading is allowed', () => {
    const builtIn = { ...RELEASE, [`${MODULES}/modules.builtin`]: 'kernel/fs/ext4/ext4.ko\nkernel/net/netfilter/ipvs/ip_vs.ko\n' }
    expect(find(builtIn)).toMatchObject({ works: true, reason: `${MODULES}/modules.builtin: ip_vs is built in` })
    const dep = 'kernel/net/netfilter/ipvs/ip_vs.ko.xz: kernel/net/netfilter/nf_conntrack.ko.xz\n'
    const onDisk = { ...RELEASE, '/proc/modules': NOT_LOADED, [`${MODULES}/modules.dep`]: dep }
    expect(find(onDisk)).toMatchObject({ works: true, reason: `${MODULES}/modules.dep: ip_vs can be loaded` })
    expect(find({ ...onDisk, '/proc/sys/kernel/modules_disabled': '0\n' }).works).toBe(true)
    expect(find({ ...onDisk, '/proc/sys/kernel/modules_disabled': '1\n' })).toMatchObject({
      works: false,
      looked: { [`${MODULES}/modules.dep`]: 'ip_vs is there, but loading modules is switched off' },
    })
  })

  it('does not work where only its relatives are, or modules of another kernel', () => {
    const files = {
      ...RELEASE,
      '/proc/modules': NOT_LOADED,
      [`${MODULES}/modules.builtin`]: 'kernel/net/netfilter/nf_conntrack.ko\n',
      [`${MODULES}/modules.dep`]: 'kernel/net/netfilter/ipvs/ip_vs_rr.ko: kernel/net/netfilter/x_ip_vs.ko\n',
      '/lib/modules/5.10.0/modules.builtin': 'kernel/net/netfilter/ipvs/ip_vs.ko\n',
    }
    expect(find(files)).toEqual({
      works: false,
      reason: 'no table of it, and no module',
      looked: {
        '/proc/net/ip_vs': 'not there',
        '/proc/modules': 'ip_vs is not loaded',
        [`${MODULES}/modules.builtin`]: 'no ip_vs',
        [`${MODULES}/modules.dep`]: 'no ip_vs',
      },
    })
  })

  it('does not work on a system that tells nothing', () => {
    expect(find({}).works).toBe(false)
  })
})
