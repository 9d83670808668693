import { describe, expect, it } from 'vitest'
import { type Diagnosis, type DoctorFacts, diagnose, type ObjectFacts } from '../../src/cli/doctor-checks.ts'
import type { Ip, Port } from '../../src/model/keys.ts'

const GOOD: DoctorFacts = {
  nodeVersion: '24.1.0',
  engine: { name: 'native', reason: 'it works here (glibc 2.36)', workers: 3 },
  engineWanted: 'auto',
  vips: { mode: 'anyip', reason: 'CAP_NET_ADMIN and iproute2-6.1.0' },
  descriptors: 1_048_376,
  firstFreePort: 1024,
  capabilities: [10],
  nodeAddresses: ['127.0.0.1', '192.0.2.10'] as Ip[],
  objects: undefined,
  inotify: { watches: 65_536, instances: 128 },
  sctp: false,
  clockSource: 'tsc',
  wallMs: Date.UTC(2026, 0, 2, 3, 4, 5),
  ipvs: { works: false, reason: 'no table of it, and no module', looked: [] },
}
const OBJECTS: ObjectFacts = { errors: 0, listeners: 3, ports: [80, 53, 8080] as Port[], missing: [] }

function check(name: string, facts: Partial<DoctorFacts>): Diagnosis {
  const found = diagnose({ ...GOOD, ...facts }).find((diagnosis) => diagnosis.name === name)
  if (!found) throw new Error(`no check ${name}`)
  return found
}

describe('doctor', () => {
  it('finds nothing to do on a good machine', () => {
    expect(diagnose(GOOD).filter(({ status, fix }) => status !== 'ok' || fix !== '')).toEqual([])
    expect(check('engine', {}).found).toBe('native, 3 workers: it works here (glibc 2.36)')
  })

  it.each<[string, 'warn' | 'fail', Partial<DoctorFacts>, string]>([
    ['node', 'warn', { nodeVersion: '22.13.1' }, 'Node.js 22.13.1'],
    [
      'engine',
      'warn',
      { engine: { name: 'node', reason: 'native does not work here: x', workers: 1 } },
      'node: native does not work here: x',
    ],
    [
      'vips',
      'fail',
      { vips: { failed: '--vip-mode anyip: CAP_NET_ADMIN is missing' } },
      '--vip-mode anyip: CAP_NET_ADMIN is missing',
    ],
    ['engine', 'fail', { engine: { failed: 'engine native: x' }, engineWanted: 'native' }, 'engine native: x'],
    ['descriptors', 'warn', { descriptors: 824 }, 'room for about 412 TCP sessions'],
    ['low-ports', 'warn', { capabilities: [] }, 'not permitted below 1024'],
    ['low-ports', 'fail', { capabilities: [], objects: OBJECTS }, 'not permitted below 1024; wanted: 53, 80'],
    ['addresses', 'warn', { nodeAddresses: [] }, 'none answers on nodePorts'],
    ['addresses', 'fail', { objects: { ...OBJECTS, missing: ['10.96.0.10' as Ip] } }, 'not on this machine: 10.96.0.10'],
    ['objects', 'warn', { objects: { ...OBJECTS, errors: 1 } }, '1 error, 3 listeners'],
    ['inotify', 'warn', { inotify: { watches: 1024, instances: 128 } }, '1024 watches, 128 instances for each user'],
    ['inotify', 'warn', { inotify: { watches: 65_536, instances: 8 } }, '65536 watches, 8 instances for each user'],
    ['capabilities', 'warn', { capabilities: [10, 21] }, 'CAP_NET_BIND_SERVICE, 1 it does not need'],
    ['clock', 'warn', { clockSource: 'hpet' }, '2026-01-02T03:04:05.000Z, from hpet'],
    ['clock', 'fail', { wallMs: 0 }, 'it says 1970-01-01T00:00:00.000Z'],
  ])('of %s says %s and what to do', (name, status, facts, found) => {
    const diagnosis = check(name, facts)
    expect(diagnosis).toMatchObject({ status, found })
    expect(diagnosis.fix).not.toBe('')
  })

  it.each<[string, Partial<DoctorFacts>]>([
    ['engine', { engine: { name: 'node', reason: 'it was asked for', workers: 1 }, engineWanted: 'node' }],
    ['low-ports', { capabilities: [], firstFreePort: 0 }],
    ['low-ports', { capabilities: [], firstFreePort: 80, objects: { ...OBJECTS, ports: [80 as Port] } }],
    ['low-ports', { capabilities: undefined, firstFreePort: undefined }],
    ['addresses', { objects: OBJECTS }],
    ['objects', { objects: OBJECTS }],
    ['inotify', { inotify: undefined }],
    ['sctp', { sctp: true }],
    ['capabilities', { capabilities: undefined }],
    ['capabilities', { capabilities: [] }],
    ['clock', { clockSource: undefined }],
    ['ipvs', { ipvs: { works: true, reason: '/proc/modules: ip_vs is loaded', looked: [] } }],
  ])('of %s is content with %j', (name, facts) => {
    expect(check(name, facts)).toMatchObject({ status: 'ok', fix: '' })
  })

  it('names a few of many, and counts the others', () => {
    const missing = ['10.0.0.1', '10.0.0.2', '10.0.0.3', '10.0.0.4', '10.0.0.5', '10.0.0.6'] as Ip[]
    expect(check('addresses', { objects: { ...OBJECTS, missing } }).found).toBe(
      'not on this machine: 10.0.0.1, 10.0.0.2, 10.0.0.3, 10.0.0.4 and 2 more',
    )
  })
})
