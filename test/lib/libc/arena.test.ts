import { expect, it } from 'vitest'
import { openArena } from '../../../src/lib/libc/arena.ts'
import type { Calls } from '../../../src/lib/libc/calls.ts'
import { ERRNO } from '../../../src/lib/libc/errno.ts'
import type { Libc } from '../../../src/lib/libc/load.ts'
import { describeLibc } from './machine.ts'

function withMmap(libc: Libc, mmap: Calls['mmap']): Libc {
  return { ...libc, calls: { ...libc.calls, mmap } }
}

function failing(libc: Libc, number: number): number {
  libc.errno[0] = number
  return -1
}

describeLibc('arena', (libc) => {
  it('lies below 2^31, zeroed, apart from others', () => {
    using first = openArena(libc, 100_000)
    using second = openArena(libc, 100_000)
    for (const arena of [first, second]) {
      expect(arena.address + arena.bytes).toBeLessThanOrEqual(2 ** 31)
      expect(arena.bytes).toBeGreaterThanOrEqual(100_000)
      expect(arena.u8.every((byte) => byte === 0)).toBe(true)
    }
    expect(second.address + second.bytes <= first.address || first.address + first.bytes <= second.address).toBe(true)
  })

  it('shows the same bytes in every view', () => {
    using arena = openArena(libc, 64)
    arena.data.setUint32(8, 0x01020304, true)
    expect([arena.u8[8], arena.u16[4], arena.i32[2], arena.u32[2]]).toEqual([4, 0x0304, 0x01020304, 0x01020304])
    arena.f64[2] = 1.5
    expect(arena.data.getFloat64(16, true)).toBe(1.5)
    expect(arena.addressOf(8)).toBe(arena.address + 8)
  })

  it('hands out aligned parts and stops at its end', () => {
    using arena = openArena(libc, 1)
    expect([arena.allocate(3), arena.allocate(8), arena.allocate(1), arena.allocate(16, 64)]).toEqual([0, 8, 16, 64])
    expect(arena.used).toBe(80)
    arena.allocate(arena.bytes - 80)
    expect(() => arena.allocate(1)).toThrow(expect.objectContaining({ code: 'E_INTERNAL', origin: 'bug' }))
  })

  it('is empty after it was disposed, twice', () => {
    const arena = openArena(libc, 64)
    const { address } = arena
    arena.i32[0] = 5
    arena[Symbol.dispose]()
    arena[Symbol.dispose]()
    expect(arena.i32[0]).toBeUndefined()
    expect(arena.u8.length).toBe(0)
    expect(() => arena.data.getInt8(0)).toThrow(TypeError)
    expect(libc.calls.pipe2(address, 0)).toBe(-1)
    expect(libc.errno[0]).toBe(ERRNO.EFAULT)
  })

  it('goes anywhere when there is no room below 2^31', () => {
    let refusals = 0
    const crowded = withMmap(libc, (address, ...rest) => {
      if (address === 0) return libc.calls.mmap(address, ...rest)
      refusals++
      return failing(libc, ERRNO.EEXIST)
    })
    using arena = openArena(crowded, 64)
    expect(arena.address).toBeGreaterThan(2 ** 32)
    expect(refusals).toBeGreaterThan(100)
    arena.i32[3] = 9
    expect(arena.u8[12]).toBe(9)
  })

  it('gives back what an old kernel maps elsewhere instead', () => {
    const mapped: number[] = []
    const unmapped: number[] = []
    const old: Libc = {
      ...libc,
      calls: {
        ...libc.calls,
        mmap: (_address, bytes, protection, _flags, fd, offset) => {
          const address = libc.calls.mmap(0, bytes, protection, 0x22, fd, offset)
          mapped.push(address)
          return address
        },
        munmap: (address, bytes) => {
          unmapped.push(address)
          return libc.calls.munmap(address, bytes)
        },
      },
    }
    const arena = openArena(old, 64)
    arena[Symbol.dispose]()
    expect(unmapped).toEqual(mapped)
  })

  it('names the reason when the system has no memory', () => {
    const poor = withMmap(libc, () => failing(libc, ERRNO.ENOMEM))
    expect(() => openArena(poor, 64)).toThrow(
      expect.objectContaining({ code: 'E_ENGINE', message: 'map 65536 bytes: ENOMEM: give it more memory' }),
    )
  })
})
