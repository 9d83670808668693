import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { CheckAnswer } from '../../src/health/ask.ts'
import type { EndpointKey, ServicePortKey } from '../../src/model/keys.ts'
import { DOWN, EJECTED, endpointWord } from '../../src/model/shared-layout.ts'
import { passing } from '../support/passing.ts'
import { createPolicyWorld } from './policy-world.ts'
import { service, slice, WEB } from './web-service.ts'

const PORT = 'default/web:/TCP' as ServicePortKey
const RULES: readonly Record<string, string>[] = [
  {},
  { check: 'tcp', 'check-interval': '200ms' },
  { 'eject-after': '2', 'eject-time': '1s' },
  {
    check: 'tcp',
    'check-interval': '200ms',
    'agent-check': '9',
    'eject-after': '3',
    'eject-time': '500ms',
    'panic-threshold': '40%',
  },
]
const ANSWERS: readonly CheckAnswer[] = [
  { said: 'up\n' },
  { failure: 'no' },
  { said: '10%\n' },
  { said: 'down\n' },
  { said: 'rubbish\n' },
  { unasked: 'EMFILE' },
]

const endpoint = fc.integer({ min: 1, max: 5 })
const step = fc.oneof(
  fc.record({ serve: fc.nat(RULES.length - 1), endpoints: fc.uniqueArray(endpoint, { maxLength: 5 }) }),
  fc.record({ answers: fc.nat(ANSWERS.length - 1), of: endpoint }),
  fc.record({ refuse: fc.uniqueArray(endpoint, { minLength: 1, maxLength: 4 }), times: fc.integer({ min: 1, max: 12 }) }),
  fc.record({ passMs: fc.integer({ min: 10, max: 1_500 }) }),
)

it('whatever happens, threads see what is known, no more than the share is ejected, and nothing is left behind', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 25 }), async (steps) => {
      const answers = new Map<number, CheckAnswer>()
      const world = createPolicyWorld({
        ask: ({ address }) => Promise.resolve(answers.get(Number(address.ip.split('.').at(-1))) ?? { said: 'up\n' }),
      })
      const pass = passing(world.clock, 10)
      await world.apply(service({}), slice(1, 2))
      const pending = world.clock.pending
      const wordOf = (key: EndpointKey, word: 'health' | 'share') => {
        const slot = world.plane.ledger.knownEndpointSlot(PORT, key) as number
        return Atomics.load(world.plane.ledger.views.endpointWords, endpointWord(slot, word))
      }
      let serving = false
      for (const one of steps) {
        if ('serve' in one) {
          await world.apply(service(RULES[one.serve] as Record<string, string>), slice(...one.endpoints))
          serving = one.endpoints.length > 0
        } else if ('answers' in one) answers.set(one.of, ANSWERS[one.answers] as CheckAnswer)
        else if ('passMs' in one) await pass(one.passMs)
        else {
          for (let n = 0; n < one.times; n++) {
            world
              .connect(WEB, `192.0.2.${n}`, (key) => (one.refuse.some((who) => key.includes(`.${who}:`)) ? 'refused' : 'ok'))
              .close()
          }
          // What sessions saw is looked at.
          await pass(120)
        }
        for (const { endpoint: key, state, agentPercent } of world.plane.health.read()) {
          const word = wordOf(key, 'health')
          expect(word & DOWN ? 'down' : word & EJECTED ? 'ejected' : 'up').toBe(state)
          expect(wordOf(key, 'share')).toBe(agentPercent === undefined ? 0 : agentPercent + 1)
        }
        // Whatever is known: somebody is there for a client.
        if (serving) expect(world.go(WEB, '192.0.2.9')).toMatch(/^\d$/)
      }
      for (const { fields } of world.logger.of('endpoint.ejected')) {
        const { endpoints, up } = fields as { readonly endpoints?: number; readonly up?: number }
        expect(((endpoints as number) - (up as number)) * 100).toBeLessThanOrEqual((endpoints as number) * 50)
      }
      await world.apply(service({}), slice(1, 2, 3, 4, 5))
      await pass(1_200)
      expect(world.plane.health.read()).toEqual([])
      for (const n of [1, 2, 3, 4, 5]) {
        for (const word of ['health', 'share'] as const) expect(wordOf(`10.1.0.${n}:8080/TCP` as EndpointKey, word)).toBe(0)
      }
      expect(world.clock.pending).toBe(pending)
    }),
    { numRuns: 60 },
  )
})
