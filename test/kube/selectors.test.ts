import { describe, expect, it } from 'vitest'
import { refused } from '../../src/admin/kube/outcome.ts'
import { parseFieldSelector, parseLabelSelector } from '../../src/admin/kube/selectors.ts'

const web = { metadata: { name: 'web', namespace: 'default', labels: { app: 'web', tier: 'front' } }, spec: { type: 'NodePort' } }

function selects(text: string): boolean | string {
  const selector = parseLabelSelector(text)
  return refused(selector) ? selector.reason : selector(web)
}

function selectsField(text: string): boolean | string {
  const selector = parseFieldSelector(text, 'services')
  return refused(selector) ? selector.reason : selector(web)
}

describe('a label selector', () => {
  it.each([
    ['', true],
    ['app', true],
    ['!app', false],
    ['!old', true],
    ['app=web', true],
    ['app==web', true],
    ['app = web', true],
    ['app!=web', false],
    ['old!=web', true],
    ['app in (web,db)', true],
    ['app in (db)', false],
    ['app notin (db, cache)', true],
    ['old notin (db)', true],
    ['app in (web),tier=front,!old', true],
    ['app=web,tier=back', false],
    ['app=', false],
    ['app.kubernetes.io/name!=x', true],
  ])('%j: %s', (text, outcome) => {
    expect(selects(text)).toBe(outcome)
  })

  it.each(['a b', '=web', 'app in web', 'app=a b', 'app in (a', 'a/b/c', 'app=-'])('refuses %j', (text) => {
    expect(selects(text)).toBe('BadRequest')
  })
})

describe('a field selector', () => {
  it.each([
    ['metadata.name=web', true],
    ['metadata.name!=web', false],
    ['metadata.namespace==default,spec.type=NodePort', true],
    ['spec.clusterIP=10.0.0.1', false],
  ])('%j: %s', (text, outcome) => {
    expect(selectsField(text)).toBe(outcome)
  })

  it.each(['spec.foo=a', 'metadata.name'])('refuses %j', (text) => {
    expect(selectsField(text)).toBe('BadRequest')
  })
})
