import { once } from 'node:events'
import { constants } from 'node:os'
import { Worker } from 'node:worker_threads'
import { describe, expect, it } from 'vitest'
import type { ForeignLibrary } from '../../../src/lib/libc/calls.ts'
import { ERRNO, errnoName } from '../../../src/lib/libc/errno.ts'
import { LAYOUTS } from '../../../src/lib/libc/layout.ts'
import type { ForeignFunctions, LoadPlace } from '../../../src/lib/libc/load.ts'
import { loadLibc } from '../../../src/lib/libc/load.ts'
import { Bench, describeLibc, ipv4 } from './machine.ts'
import type { WorkerReport } from './worker.ts'

describeLibc('libc', (libc) => {
  it('names the library it found', () => {
    expect(libc.name).toMatch(/^(glibc 2\.\d+|musl)$/)
    expect(libc.layout).toBe(LAYOUTS[process.arch as 'x64'])
  })

  it('shows the errno of the call before', () => {
    using bench = new Bench(libc)
    expect(libc.calls.close(-1)).toBe(-1)
    expect(libc.errno[0]).toBe(ERRNO.EBADF)
    const fd = bench.own(libc.calls.socket(2, 1, 0))
    const closed = bench.sockets.bindUdp({ address: ipv4('127.0.0.1') })
    const to = bench.at({ ...bench.bound(closed).address })
    expect(libc.calls.connect(fd, to.address, to.bytes)).toBe(-1)
    expect(libc.errno[0]).toBe(ERRNO.ECONNREFUSED)
  })

  it('gives every thread its own errno', async () => {
    libc.calls.close(-1)
    const report = await askWorker('calls')
    expect(libc.errno[0]).toBe(ERRNO.EBADF)
    expect(report).toMatchObject({ errno: 'ECONNREFUSED', echoed: 'from a worker', event: { fd: true, generation: 41, mask: 1 } })
  })

  it('does not touch koffi before it is asked', async () => {
    expect((await askWorker('import only')).koffiLoaded).toBe(false)
    expect((await askWorker('calls')).koffiLoaded).toBe(true)
  })
})

async function askWorker(task: 'calls' | 'import only'): Promise<WorkerReport> {
  const worker = new Worker(new URL('./worker.ts', import.meta.url), { workerData: task, execArgv: [] })
  const [report] = (await once(worker, 'message')) as [WorkerReport]
  await worker.terminate()
  return report
}

describe('loading libc', () => {
  const library = (missing: readonly string[] = []): ForeignLibrary => ({
    func: (name) => {
      if (missing.includes(name)) throw new Error(`Cannot find function "${name}"`)
      return (...values) => (name === 'gnu_get_libc_version' ? '2.99' : name === 'syscall' ? (values[0] as number) : 0)
    },
  })
  const koffi = (libraries: { readonly [path: string]: ForeignLibrary }): ForeignFunctions => ({
    load: (path) => {
      const found = libraries[path]
      if (!found) throw new Error(`${path}: cannot open\nand more`)
      return found
    },
    view: (_address, bytes) => new ArrayBuffer(bytes),
  })
  const place = (changes: Partial<LoadPlace>): LoadPlace => ({
    platform: 'linux',
    arch: 'x64',
    endianness: 'LE',
    foreignFunctions: () => koffi({ 'libc.so.6': library() }),
    ...changes,
  })
  const reason = (changes: Partial<LoadPlace>) => {
    const loaded = loadLibc(place(changes))
    return loaded.libc ? `loaded ${loaded.libc.name}` : loaded.reason
  }

  it('takes glibc', () => expect(reason({})).toBe('loaded glibc 2.99'))

  it('takes musl under its own name, and goes past its batch calls', () => {
    const musl = library(['gnu_get_libc_version'])
    const loaded = loadLibc(place({ arch: 'arm64', foreignFunctions: () => koffi({ 'libc.musl-aarch64.so.1': musl }) }))
    expect(loaded.libc?.name).toBe('musl')
    expect(loaded.libc?.calls.sendmmsg(1, 2, 3, 4)).toBe(269)
    expect(loaded.libc?.calls.recvmmsg(1, 2, 3, 4, 0)).toBe(243)
    expect(loaded.libc?.calls.sendmsg(1, 2, 3)).toBe(0)
    expect(() => loaded.libc?.trim()).not.toThrow()
  })

  it('refuses other systems and processors without loading anything', () => {
    const foreignFunctions = () => {
      throw new Error('asked')
    }
    expect(reason({ platform: 'darwin', foreignFunctions })).toBe('the native engine needs Linux, this is "darwin"')
    expect(reason({ arch: 'riscv64', foreignFunctions })).toContain('no struct layouts for "riscv64" (LE)')
    expect(reason({ arch: 'arm64', endianness: 'BE', foreignFunctions })).toContain('no struct layouts for "arm64" (BE)')
  })

  it('says what koffi said', () => {
    const foreignFunctions = () => {
      throw new Error('Cannot find the native Koffi module\nstack')
    }
    expect(reason({ foreignFunctions })).toBe('koffi does not load: Cannot find the native Koffi module')
  })

  it('says every name it tried', () => {
    const foreignFunctions = () => koffi({ 'libc.musl-x86_64.so.1': library(['splice']) })
    expect(reason({ foreignFunctions })).toBe(
      'no usable C library; tried libc.so.6: libc.so.6: cannot open; libc.musl-x86_64.so.1: Cannot find function "splice"; ' +
        '/lib/ld-musl-x86_64.so.1: /lib/ld-musl-x86_64.so.1: cannot open',
    )
  })
})

describe('errno table', () => {
  it.runIf(process.platform === 'linux')('has the numbers of the system', () => {
    for (const [name, number] of Object.entries(ERRNO)) {
      const known = (constants.errno as { readonly [name: string]: number | undefined })[name]
      if (known !== undefined) expect([name, number]).toEqual([name, known])
    }
  })

  it('names numbers', () => {
    expect(errnoName(111)).toBe('ECONNREFUSED')
    expect(errnoName(999)).toBe('E999')
  })
})
