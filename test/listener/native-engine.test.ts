import { describe } from 'vitest'
import { openSockets } from '../../src/lib/libc/sockets.ts'
import { libc, nativeEngine, WITHOUT_NATIVE } from '../support/native-engine.ts'
import { engineCases } from './engine.cases.ts'

const can = ['exact-reset', 'pause-accept', 'keep-parked-address', 'free-bind', ...privileged()] as const

/** What it can where this process may. */
function privileged(): readonly 'transparent-source'[] {
  if (!libc) return []
  using sockets = openSockets(libc)
  return sockets.mayBeTransparent() ? ['transparent-source'] : []
}

describe.skipIf(!libc)(`the native engine${WITHOUT_NATIVE}`, () => {
  describe('with one worker', () => {
    engineCases(nativeEngine({ workers: 1 }), { workers: 1, network: '127.42.1', firstPort: 11_000, can })
  })

  describe('with four workers', () => {
    engineCases(nativeEngine({ workers: 4 }), { workers: 4, network: '127.42.4', firstPort: 12_000, can })
  })
})
