import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import type { Ip } from '../../src/model/keys.ts'
import { addressesInUse, tableForm } from '../../src/vip/tcp-addresses.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'

/** As `/proc/net/tcp` is: one that listens, one that waits for its end to be forgotten, one that is connected, one that closes. */
const TCP = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0A00600A:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0000000000000000 100 0 0 10 0
   1: 0B00600A:0050 0200000A:D431 06 00000000:00000000 00:00000000 00000000     0        0 0 3 0000000000000000
   2: 0C00600A:0050 0200000A:D431 01 00000000:00000000 00:00000000 00000000     0        0 2 1 0000000000000000 20 4 30 10 -1
  13: 0D00600A:0050 0200000A:D432 04 00000000:00000000 00:00000000 00000000     0        0 3 1 0000000000000000 20 4 30 10 -1
`
const TCP6 = `  sl  local_address                         remote_address                        st
   0: 960000FD000000000000000010000000:0050 960000FD000000000000000020000000:D431 01
`

it('addresses that TCP connections come to are found in the table of the kernel', async () => {
  using folder = makeTemporaryFolder()
  const tables = { 4: join(folder.path, 'tcp'), 6: join(folder.path, 'tcp6') }
  writeFileSync(tables[4], TCP)
  writeFileSync(tables[6], TCP6)
  const ips = ['10.96.0.10', '10.96.0.11', '10.96.0.12', '10.96.0.13', '10.96.0.14', 'fd00:96::10', 'fd00:96::20'] as Ip[]
  expect([...(await addressesInUse([...ips, 'fd00:96::1000' as Ip], tables))]).toEqual([
    '10.96.0.12',
    '10.96.0.13',
    'fd00:96::10',
  ])
  expect(tableForm('10.96.0.10' as Ip)).toBe('0A00600A')
  expect([...(await addressesInUse(ips, { 4: '/nowhere', 6: '/nowhere' }))]).toEqual([])
})
