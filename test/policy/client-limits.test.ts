import { describe, expect, it } from 'vitest'
import { manualClock } from '../../src/lib/clock.ts'
import { Limiter, LimitState } from '../../src/listener/limiter.ts'
import type { ClientRules } from '../../src/model/client-limits.ts'
import type { PublishedRoute } from '../../src/model/delta.ts'
import type { Cidr } from '../../src/model/keys.ts'
import { createSharedState } from '../../src/model/shared-layout.ts'
import { clientAddress } from '../support/scripted-client.ts'

const RULES: ClientRules = {
  allow: [],
  deny: [],
  sessions: undefined,
  clientRate: undefined,
  serviceRate: undefined,
  prefix: { ipv4: 32, ipv6: 64 },
  turnAway: 'refuse',
}

function createLimits(rules: Partial<ClientRules>, protocol: PublishedRoute['protocol'] = 'TCP') {
  const shared = createSharedState({ rows: 1, serviceSlots: 4, endpointSlots: 4, clientEntries: 1024, recordsPerRing: 2 })
  const clock = manualClock()
  const limiter = new Limiter(shared, clock)
  const limits = new LimitState({ serviceSlot: 1, protocol } as PublishedRoute, { ...RULES, ...rules })
  const tickets: number[] = []
  return {
    clock,
    limiter,
    tickets,
    /** What a client is told, in a word or two. */
    come(ip: string): string {
      const decision = limiter.admit(limits, clientAddress(ip))
      const ticket = limiter.takeTicket()
      if (ticket !== 0) tickets.push(ticket)
      if (!decision) return 'in'
      if (decision.do === 'delay') return `in ${decision.forMs} ms`
      return decision.do === 'refuse' || decision.do === 'drop' ? `${decision.do} ${decision.end}` : decision.do
    },
  }
}

const many = (times: number, come: () => string) => Array.from({ length: times }, come)

describe('limits on clients', () => {
  it('tell IPv6 clients apart by their network, and IPv4 clients by their address', () => {
    const { come } = createLimits({ sessions: 1 })
    expect(['2001:db8:0:1::1', '2001:db8:0:1::2', '2001:db8:0:2::1', '10.0.0.1', '10.0.0.2', '10.0.0.1'].map(come)).toEqual([
      'in',
      'refuse client-limit',
      'in',
      'in',
      'in',
      'refuse client-limit',
    ])
    const wide = createLimits({ sessions: 1, prefix: { ipv4: 8, ipv6: 33 } })
    const ips = ['2001:db8:8000::1', '2001:db8:7fff::1', '2001:db8:ffff::1', '10.0.0.1', '10.255.0.2', '11.0.0.1']
    expect(ips.map(wide.come)).toEqual(['in', 'in', 'refuse client-limit', 'in', 'refuse client-limit', 'in'])
  })

  it('deny whoever is on both lists, and whoever is not on the one that allows', () => {
    const { come } = createLimits({ allow: ['10.0.0.0/8' as Cidr], deny: ['10.1.0.0/16' as Cidr] })
    expect(['10.0.0.1', '10.1.0.1', '11.0.0.1', '2001:db8::1'].map(come)).toEqual([
      'in',
      'refuse denied',
      'refuse denied',
      'refuse denied',
    ])
  })

  it('have those wait who only come too fast, in turn and not for long', () => {
    const { come, clock } = createLimits({ sessions: 5, clientRate: { count: 1, perMs: 1000, burst: 2 }, turnAway: 'delay' })
    const waits = ['in', 'in', 'in 1000 ms', 'in 2000 ms', 'in 3000 ms', 'refuse client-limit']
    expect(many(6, () => come('10.0.0.1'))).toEqual(waits)
    const patient = createLimits({ clientRate: { count: 1, perMs: 1000, burst: 1 }, turnAway: 'delay' })
    expect(many(8, () => patient.come('10.0.0.1')).slice(4)).toEqual([
      'in 4000 ms',
      'in 5000 ms',
      'refuse client-rate',
      'refuse client-rate',
    ])
    clock.advance(10_000)
  })

  it('have a client wait for the later one of its own token and its Service’s', () => {
    const serviceRate = { count: 2, perMs: 1000, burst: 1 }
    const { come } = createLimits({ clientRate: { count: 1, perMs: 1000, burst: 1 }, serviceRate, turnAway: 'delay' })
    expect(['10.0.0.1', '10.0.0.1', '10.0.0.2', '10.0.0.1'].map(come)).toEqual(['in', 'in 1000 ms', 'in 1000 ms', 'in 2000 ms'])
  })

  it('never have a UDP client wait', () => {
    const rate = { clientRate: { count: 1, perMs: 1000, burst: 1 } }
    for (const turnAway of ['delay', 'drop'] as const) {
      const { come } = createLimits({ ...rate, turnAway }, 'UDP')
      expect(many(2, () => come('10.0.0.1'))).toEqual(['in', 'refuse client-rate'])
    }
  })

  it('leave no more clients without an answer than each thread may hold', () => {
    const { come, limiter, tickets } = createLimits({ deny: ['10.0.0.0/8' as Cidr], turnAway: 'drop' })
    expect(new Set(many(256, () => come('10.0.0.1')))).toEqual(new Set(['drop denied']))
    expect(many(2, () => come('10.0.0.1'))).toEqual(['refuse denied', 'refuse denied'])
    limiter.left(tickets.pop() as number)
    expect(many(2, () => come('10.0.0.1'))).toEqual(['drop denied', 'refuse denied'])
  })

  it('take back what was counted for a session that an error kept from its ticket', () => {
    const { limiter, come } = createLimits({ sessions: 1 })
    const limits = new LimitState({ serviceSlot: 1, protocol: 'TCP' } as PublishedRoute, { ...RULES, sessions: 1 })
    expect(limiter.admit(limits, clientAddress('10.0.0.1'))).toBeUndefined()
    // Nobody took it.
    expect(come('10.0.0.2')).toBe('in')
    expect(come('10.0.0.1')).toBe('in')
  })

  it('count nothing for a session that the Service’s rate keeps out', () => {
    const { come, limiter, tickets } = createLimits({ sessions: 1, serviceRate: { count: 1, perMs: 1000, burst: 1 } })
    expect(come('10.0.0.1')).toBe('in')
    expect(come('10.0.0.2')).toBe('refuse service-rate')
    expect(come('10.0.0.2')).toBe('refuse service-rate')
    expect(tickets.length).toBe(1)
    expect(come('10.0.0.1')).toBe('refuse client-limit')
    limiter.left(tickets[0] as number)
    expect(come('10.0.0.1')).toBe('refuse service-rate')
  })
})
