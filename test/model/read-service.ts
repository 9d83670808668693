import { expect } from 'vitest'
import { Findings } from '../../src/model/findings.ts'
import { DEFAULT_PARSE_OPTIONS } from '../../src/model/parse-options.ts'
import { parseService } from '../../src/model/parse-service.ts'
import { aService, type Json } from './sample-objects.ts'

/** A Service and what is said of it. */
export function read(value: unknown, options = DEFAULT_PARSE_OPTIONS) {
  const findings = new Findings()
  const service = parseService(value, options, findings)
  const found = findings.list().map(({ severity, code, path }) => `${severity} ${code} ${path.join('.')}`)
  return { service, found, messages: findings.list().map(({ message }) => message) }
}

/** A Service that is right. */
export function good(spec: Json = {}, rest: Json = {}) {
  const { service, found } = read(aService(spec, rest))
  expect(found).toEqual([])
  if (!service) throw new Error('no Service, and nothing said')
  return service
}

/** What is said of a Service that is removed. */
export function bad(spec: Json, rest: Json = {}): string[] {
  const { service, found } = read(aService(spec, rest))
  expect(service).toBeUndefined()
  return found.map((finding) => finding.replace(/^error /, ''))
}
