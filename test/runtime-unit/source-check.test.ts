import { describe, expect, it } from 'vitest'
import type { Service } from '../../src/model/service.ts'
import { SourceCheck } from '../../src/runtime/source-check.ts'
import { createRecordingLogger } from '../support/recording-logger.ts'

const service = (sourceAddresses: readonly string[] | undefined) =>
  ({ key: 'default/web', options: { sourceAddresses } }) as unknown as Pick<Service, 'key' | 'options'>

describe('addresses that endpoints are to be connected from', () => {
  it('are told of once if they are not this machine’s', async () => {
    const logger = createRecordingLogger()
    const asked: string[] = []
    const check = new SourceCheck(logger, async (ip) => {
      asked.push(ip)
      return ip !== '192.0.2.1'
    })
    await check.look(service(undefined))
    await check.look(service(['10.0.0.1', '192.0.2.1']))
    await check.look(service(['192.0.2.1', '10.0.0.2']))
    expect(asked).toEqual(['10.0.0.1', '192.0.2.1', '10.0.0.2'])
    expect(logger.lines).toMatchObject([
      { event: 'source-address.missing', fields: { key: 'default/web', address: '192.0.2.1' } },
    ])
  })

  it('are looked for on this machine', async () => {
    const logger = createRecordingLogger()
    await new SourceCheck(logger).look(service(['127.0.0.1', '203.0.113.77']))
    expect(logger.lines).toMatchObject([{ event: 'source-address.missing', fields: { address: '203.0.113.77' } }])
  })
})
