import { describe, expect, it } from 'vitest'
import { aClient, clientAt, endpointsWeighing, PickerWorld, picks, someEndpoints } from '../support/picker-world.ts'
import { describeScheduler } from './scheduler.cases.ts'

describeScheduler('sh', { weighted: true, hashed: true })
describeScheduler('dh', { weighted: true, hashed: true, byListener: true })

describe('source hashing', () => {
  // Clients would move with an update if these numbers changed.
  it('gives these clients these endpoints for ever', () => {
    const picker = new PickerWorld().picker('sh', someEndpoints(5))
    const clients = ['192.0.2.1', '192.0.2.2', '192.0.2.3', '198.51.100.7', '2001:db8::1', '2001:db8::2']
    expect(clients.map((ip) => picker.pick(clientAt(ip), []))).toEqual([2, 1, 3, 2, 0, 0])
  })

  it('spreads clients of one network evenly', () => {
    const picked = picks(new PickerWorld().picker('sh', someEndpoints(8)), 16_000)
    for (let position = 0; position < 8; position++) {
      expect(Math.abs(picked.filter((pick) => pick === position).length - 2_000)).toBeLessThan(200)
    }
  })

  it('spreads the clients of an endpoint that cannot be reached over the others', () => {
    const endpoints = someEndpoints(4)
    const picker = new PickerWorld().picker('sh', endpoints)
    const second = new Set<number>()
    for (let n = 0; n < 200; n++) {
      if (picker.pick(aClient(n), []) === 0)
        second.add(picker.pick(aClient(n), [{ lease: endpoints[0]?.slot ?? -1, end: 'connect-refused' }]))
    }
    expect([...second].sort()).toEqual([1, 2, 3])
  })
})

describe('destination hashing', () => {
  it('gives all clients of one address one endpoint', () => {
    const world = new PickerWorld()
    const endpoints = endpointsWeighing(1, 1, 1, 1)
    for (const ip of ['10.96.0.1', '10.96.0.2', 'fd00::1']) {
      expect(new Set(picks(world.picker('dh', endpoints, 0, ip), 50)).size).toBe(1)
    }
  })

  it('gives these addresses these endpoints for ever', () => {
    const world = new PickerWorld()
    const addresses = ['10.96.0.1', '10.96.0.2', '10.96.0.3', 'fd00::1', 'fd00::2']
    expect(addresses.map((ip) => world.picker('dh', someEndpoints(5), 0, ip).pick(aClient(), []))).toEqual([3, 4, 0, 2, 3])
  })
})
