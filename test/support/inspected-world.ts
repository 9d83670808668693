import { createInspector, type Inspector } from '../../src/runtime/inspector.ts'
import type { createPolicyWorld } from '../policy/policy-world.ts'
import { scriptedRandom } from './scripted-random.ts'

/** Looks into a world without sockets. */
export function inspectorOf({ engine, plane, clock }: ReturnType<typeof createPolicyWorld>): Inspector {
  return createInspector({
    prepared: { plan: { name: 'node', reason: 'a test', workers: 1, libc: undefined }, engine, descriptors: 100 },
    dataPlane: plane,
    controlPlane: {
      synced: true,
      states: () => [
        {
          name: '/etc/portald',
          state: { version: '1', synced: true, objects: [], problems: [], readAtMs: 0 },
          readAtMs: clock.wall() - 2_000,
        },
        { name: '/etc/more', state: undefined, readAtMs: undefined },
      ],
    },
    clock,
    random: scriptedRandom(),
    version: '1.2.3',
    draining: () => false,
  })
}
