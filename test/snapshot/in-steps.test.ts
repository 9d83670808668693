import { describe, expect, it } from 'vitest'
import { createObjectParser } from '../../src/model/parse-objects.ts'
import { DEFAULT_PARSE_OPTIONS } from '../../src/model/parse-options.ts'
import { compile, compileInSteps } from '../../src/snapshot/compile.ts'
import { aNode, aService, aSlice } from '../support/objects.ts'

const SERVICES = 50
const objects = Array.from({ length: SERVICES }, (_, n) => [
  aService(`s${n}`, { clusterIP: `10.0.1.${n}` }),
  aSlice(`s${n}`, [`10.1.1.${n}`]),
])
  .flat()
  .map((value, line) => ({ value, origin: { place: 'a.yaml', line, lines: undefined } }))

describe('a large change', () => {
  it('can be interrupted after every object and every Service, with the same result', () => {
    const parsed = createObjectParser(DEFAULT_PARSE_OPTIONS).parse(objects)
    const parsing = createObjectParser(DEFAULT_PARSE_OPTIONS).parseInSteps(objects)
    let steps = 0
    let step = parsing.next()
    for (; !step.done; step = parsing.next()) steps++
    expect(steps).toBeGreaterThanOrEqual(objects.length)
    expect(step.value).toEqual(parsed)

    const place = aNode(['192.0.2.1'])
    const options = { clusterIpRange: undefined, nodePortRange: [30_000, 32_767], transparentSource: true } as const
    const compiling = compileInSteps(parsed, place, options, undefined)
    steps = 0
    let compiled = compiling.next()
    for (; !compiled.done; compiled = compiling.next()) steps++
    expect(steps).toBeGreaterThanOrEqual(SERVICES)
    expect(compiled.value).toEqual(compile(parsed, place, options, undefined))
    expect(compiled.value?.routes.size).toBe(SERVICES)
  })
})
