import { beforeAll, describe, expect, it } from 'vitest'
import { KubeWorld } from '../support/kube-world.ts'
import { runCase } from './case-runner.ts'
import { CASES } from './cases.ts'

describe('requests are answered as a Kubernetes API server answers them', () => {
  let world: KubeWorld
  beforeAll(async () => {
    world = await KubeWorld.open()
  })

  it.each(CASES)('$name', async (one) => {
    const outcome = await runCase(one, (method, path, body, type) => world.ask(method, path, body, type ? { type } : {}))
    const { code, reason, causes } = one.ours ?? one.answer
    expect(outcome).toEqual({
      code,
      reason: reason ?? outcome.reason,
      causes: causes === undefined ? outcome.causes : causes.toSorted(),
    })
  })
})
