import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseDuration } from '../../src/lib/duration.ts'
import { ANNOTATION_PREFIX } from '../../src/model/annotation-rule.ts'
import { ANNOTATIONS, parseAnnotations } from '../../src/model/annotations.ts'
import { parseCheckText } from '../../src/model/check-text.ts'
import { Findings } from '../../src/model/findings.ts'
import { DEFAULT_PARSE_OPTIONS, type ServiceDefaults } from '../../src/model/parse-options.ts'

const DEFAULTS = {
  scheduler: 'rr',
  weights: {},
  backups: [],
  slowStartMs: undefined,
  connectMs: [250, 500, 1000, 2000],
  idleMs: 3_600_000,
  halfCloseMs: 60_000,
  udpIdleMs: 60_000,
  udpResponses: undefined,
  sendProxy: undefined,
  acceptProxy: undefined,
  maxConnections: undefined,
  maxPerEndpoint: undefined,
  queueLength: 1024,
  queueMs: 5000,
  holdMs: undefined,
  userTimeoutMs: undefined,
  onEndpointRemoved: { do: 'keep' },
  onEndpointUnready: { do: 'keep' },
  onEndpointDown: { do: 'keep' },
  onServiceRemoved: undefined,
  maxSessionMs: undefined,
  sourceAddress: 'proxy',
  health: { check: undefined, agent: undefined, ejection: undefined, panicPercent: 0 },
  clientPrefix: undefined,
  affinityScope: undefined,
  clientLimits: undefined,
  sourceAddresses: undefined,
}

const NO_LIMITS = {
  allowFrom: undefined,
  denyFrom: undefined,
  clientSessions: undefined,
  clientRate: undefined,
  serviceRate: undefined,
  turnAway: 'refuse',
}

const NOTHING_ELSE = { uniqueId: false, crc32c: false, receivedTlvs: false, customTlvs: [] }

function read(annotations: Record<string, unknown>, defaults: Partial<ServiceDefaults> = {}) {
  const findings = new Findings()
  const prefixed = Object.fromEntries(Object.entries(annotations).map(([name, value]) => [`portald.io/${name}`, value]))
  return {
    options: parseAnnotations(prefixed, { ...DEFAULT_PARSE_OPTIONS.defaults, ...defaults }, findings),
    findings: findings.list(),
    rejected: findings.rejected,
  }
}

describe('annotations', () => {
  it('leave everything at its default when there are none', () => {
    expect(read({})).toEqual({ options: DEFAULTS, findings: [], rejected: false })
  })

  it.each([
    ['source-address', 'proxy', {}],
    ['source-address', 'transparent', { sourceAddress: 'transparent' }],
    ['on-endpoint-removed', 'keep', { onEndpointRemoved: { do: 'keep' } }],
    ['on-endpoint-removed', 'cut', { onEndpointRemoved: { do: 'cut' } }],
    ['on-endpoint-removed', 'drain=30s', { onEndpointRemoved: { do: 'drain', deadlineMs: 30_000 } }],
    ['on-endpoint-removed', ' drain=5 ', { onEndpointRemoved: { do: 'drain', deadlineMs: 5000 } }],
    ['on-endpoint-unready', 'cut', { onEndpointUnready: { do: 'cut' } }],
    ['on-endpoint-unready', 'drain=1m', { onEndpointUnready: { do: 'drain', deadlineMs: 60_000 } }],
    ['on-endpoint-down', 'drain=5s', { onEndpointDown: { do: 'drain', deadlineMs: 5_000 } }],
    ['on-service-removed', 'keep', { onServiceRemoved: { do: 'keep' } }],
    ['on-service-removed', 'drain=1m', { onServiceRemoved: { do: 'drain', deadlineMs: 60_000 } }],
    ['max-session-duration', '8h', { maxSessionMs: 28_800_000 }],
    ['scheduler', 'mh', { scheduler: 'mh' }],
    ['weights', '10.1.0.1=3', { weights: { '10.1.0.1': 3 } }],
    ['weights', ' 10.1.0.1 = 0 , 2001:DB8::0:1=65535 ', { weights: { '10.1.0.1': 0, '2001:db8::1': 65_535 } }],
    ['backup', '10.1.0.8, 2001:db8::9', { backups: ['10.1.0.8', '2001:db8::9'] }],
    ['idle-timeout', '5m', { idleMs: 300_000 }],
    ['idle-timeout', '90', { idleMs: 90_000 }],
    ['half-close-timeout', '1500ms', { halfCloseMs: 1500 }],
    ['udp-timeout', '10s', { udpIdleMs: 10_000 }],
    ['udp-responses', '1', { udpResponses: 1 }],
    ['send-proxy', 'v1', { sendProxy: { ...NOTHING_ELSE, version: 1 } }],
    ['send-proxy', 'v2', { sendProxy: { ...NOTHING_ELSE, version: 2 } }],
    [
      'send-proxy',
      ' v2 , crc32c,unique-id, received-tlvs',
      { sendProxy: { version: 2, uniqueId: true, crc32c: true, receivedTlvs: true, customTlvs: [] } },
    ],
    [
      'send-proxy',
      'v2,0xe0={service} at {listener},0xEF=a b',
      {
        sendProxy: {
          ...NOTHING_ELSE,
          version: 2,
          customTlvs: [
            { type: 0xe0, text: '{service} at {listener}' },
            { type: 0xef, text: 'a b' },
          ],
        },
      },
    ],
    ['accept-proxy', '10.0.0.0/8', { acceptProxy: { from: ['10.0.0.0/8'], withinMs: 3000 } }],
    [
      'accept-proxy',
      '192.0.2.7, 2001:db8::1,10.1.2.3/8,10.0.0.0/8',
      { acceptProxy: { from: ['192.0.2.7/32', '2001:db8::1/128', '10.0.0.0/8'], withinMs: 3000 } },
    ],
    ['accept-proxy-timeout', '1s', {}],
    ['allow-from', '10.0.0.0/8, 192.0.2.7', { clientLimits: { ...NO_LIMITS, allowFrom: ['10.0.0.0/8', '192.0.2.7/32'] } }],
    ['deny-from', '2001:db8::/32', { clientLimits: { ...NO_LIMITS, denyFrom: ['2001:db8::/32'] } }],
    ['client-sessions', '100', { clientLimits: { ...NO_LIMITS, clientSessions: { tcp: 100, udp: 100, sctp: 100 } } }],
    ['client-sessions', 'udp=5', { clientLimits: { ...NO_LIMITS, clientSessions: { tcp: undefined, udp: 5, sctp: undefined } } }],
    [
      'client-sessions',
      ' tcp = 1 , udp = 1000000 ',
      { clientLimits: { ...NO_LIMITS, clientSessions: { tcp: 1, udp: 1_000_000, sctp: undefined } } },
    ],
    ['client-rate', '20/s', { clientLimits: { ...NO_LIMITS, clientRate: { count: 20, perMs: 1000, burst: 20 } } }],
    ['client-rate', '30/m', { clientLimits: { ...NO_LIMITS, clientRate: { count: 30, perMs: 60_000, burst: 1 } } }],
    ['client-rate', '1/m,burst=15', { clientLimits: { ...NO_LIMITS, clientRate: { count: 1, perMs: 60_000, burst: 15 } } }],
    [
      'service-rate',
      '100000/s , burst = 1',
      { clientLimits: { ...NO_LIMITS, serviceRate: { count: 100_000, perMs: 1000, burst: 1 } } },
    ],
    ['client-prefix', '24, 56', { clientPrefix: { ipv4: 24, ipv6: 56 } }],
    ['source-addresses', '10.0.0.5, 10.0.0.6,2001:DB8::5,10.0.0.5', { sourceAddresses: ['10.0.0.5', '10.0.0.6', '2001:db8::5'] }],
    ['affinity-scope', 'service', { affinityScope: 'service' }],
    ['affinity-scope', 'port', {}],
    ['turn-away', 'drop', { clientLimits: { ...NO_LIMITS, turnAway: 'drop' } }],
    ['tcp-user-timeout', '30s', { userTimeoutMs: 30_000 }],
    ['attempts', '1', { connectMs: [250] }],
    ['attempts', '2', { connectMs: [250, 500] }],
    ['attempts', '6', { connectMs: [250, 500, 1000, 2000, 2000, 2000] }],
    ['attempts', '16', { connectMs: [250, 500, 1000, ...Array(13).fill(2000)] }],
    ['connect-timeout', '3s', { connectMs: [3000, 3000, 3000, 3000] }],
    ['connect-timeout', '250ms,1s', { connectMs: [250, 1000] }],
    ['connect-timeout', ' 250ms , 1s ', { connectMs: [250, 1000] }],
  ])('understand %s: %j', (name, text, options) => {
    expect(read({ [name]: text })).toEqual({ options: { ...DEFAULTS, ...options }, findings: [], rejected: false })
  })

  const PACE = { intervalMs: 2_000, timeoutMs: 1_000 }
  const CHECK = { ...PACE, port: undefined, rise: 2, fall: 3 }
  const good = [[200, 399]]
  it.each([
    [{ check: 'tcp' }, { check: { ...CHECK, question: { how: 'tcp', send: '', expect: '' } } }],
    [
      { check: 'tcp', 'check-send': 'PING\\r\\n', 'check-expect': '+PONG' },
      { check: { ...CHECK, question: { how: 'tcp', send: 'PING\r\n', expect: '+PONG' } } },
    ],
    [
      { check: 'udp', 'check-send': '\\x00\\xfFé\\\\t' },
      { check: { ...CHECK, question: { how: 'udp', send: '\0\xff\xc3\xa9\\t', expect: '' } } },
    ],
    [{ check: 'http' }, { check: { ...CHECK, question: { how: 'http', path: '/', statuses: good } } }],
    [
      {
        check: 'http:/a?b=c',
        'check-port': '9',
        'check-interval': '500ms',
        'check-timeout': '5',
        'check-rise': '1',
        'check-fall': '100',
      },
      {
        check: {
          question: { how: 'http', path: '/a?b=c', statuses: good },
          port: 9,
          intervalMs: 500,
          timeoutMs: 5_000,
          rise: 1,
          fall: 100,
        },
      },
    ],
    [
      { check: 'http:/', 'check-expect': '200-299, 404' },
      {
        check: {
          ...CHECK,
          question: {
            how: 'http',
            path: '/',
            statuses: [
              [200, 299],
              [404, 404],
            ],
          },
        },
      },
    ],
    [{ check: 'exec:redis' }, { check: { ...CHECK, question: { how: 'exec', program: 'redis' } } }],
    [{ 'agent-check': '8100', 'check-interval': '1s' }, { agent: { ...PACE, intervalMs: 1_000, port: 8_100 } }],
    [{ 'eject-after': '5' }, { ejection: { after: 5, baseMs: 10_000, mostPercent: 50 } }],
    [
      { 'eject-after': '1', 'eject-time': '1m', 'eject-most': '100%', 'panic-threshold': '30%' },
      { ejection: { after: 1, baseMs: 60_000, mostPercent: 100 }, panicPercent: 30 },
    ],
  ])('put together what is to be known of the health of endpoints: %j', (annotations, health) => {
    const { options, findings } = read(annotations, { checkPrograms: ['redis'] })
    expect(options.health).toEqual({ ...DEFAULTS.health, ...health })
    expect(findings).toEqual([])
  })

  it.each([
    [{ check: 'exec:rm' }, 'must name a program of --check-program: there is redis'],
    [{ check: 'exec:../rm' }, 'must be tcp, udp, http:/path or exec:NAME'],
    [{ check: 'tcp:1' }, 'must be tcp, udp, http:/path or exec:NAME'],
    [{ check: 'http:/a b' }, 'must be tcp, udp, http:/path or exec:NAME'],
    [{ check: 'http:/a\r\nb' }, 'must be tcp, udp, http:/path or exec:NAME'],
    [{ check: 'udp' }, 'needs portald.io/check-send: whoever is not asked does not answer'],
    [{ check: 'http', 'check-expect': 'OK' }, 'must be statuses such as 200-299,404'],
    [{ check: 'http', 'check-expect': '300-200' }, 'must be statuses such as 200-299,404'],
    [{ check: 'tcp', 'check-expect': '\\q' }, 'must be text as for portald.io/check-send'],
    [{ 'check-send': '\\x0' }, /^must be up to 1024 bytes of text/],
    [{ 'check-expect': 'OK' }, 'means nothing without portald.io/check'],
    [{ 'check-interval': '10ms' }, 'must be a duration from 50ms to 1h, such as 2s'],
    [{ 'agent-check': '0' }, 'must be a port from 1 to 65535'],
    [{ 'eject-most': '101%' }, 'must be a share from 0% to 100%, such as 50%'],
    [{ 'eject-most': '50' }, 'must be a share from 0% to 100%, such as 50%'],
  ])('say what is wrong about health: %j', (annotations, message) => {
    const { options, findings } = read(annotations, { checkPrograms: ['redis'] })
    expect(options.health).toEqual(DEFAULTS.health)
    expect(findings).toEqual([
      expect.objectContaining({ message: typeof message === 'string' ? message : expect.stringMatching(message) }),
    ])
  })

  it('put attempts and their timeouts together in any order', () => {
    const wanted = { options: { ...DEFAULTS, connectMs: [3000, 3000] }, findings: [], rejected: false }
    expect(read({ attempts: '2', 'connect-timeout': '3s' })).toEqual(wanted)
    expect(read({ 'connect-timeout': '3s', attempts: '2' })).toEqual(wanted)
    expect(read({ 'connect-timeout': '1s,2s', attempts: '3' }).options.connectMs).toEqual([1000, 2000, 2000])
    expect(read({ 'connect-timeout': '1s,2s', attempts: '1' }).options.connectMs).toEqual([1000])
  })

  it('put who may send a PROXY header and how long it may take together in any order', () => {
    const acceptProxy = { from: ['192.0.2.1/32'], withinMs: 500 }
    expect(read({ 'accept-proxy': '192.0.2.1', 'accept-proxy-timeout': '500ms' }).options).toEqual({ ...DEFAULTS, acceptProxy })
    expect(read({ 'accept-proxy-timeout': '500ms', 'accept-proxy': '192.0.2.1' }).options).toEqual({ ...DEFAULTS, acceptProxy })
  })

  it('take the process’s timeouts where a Service does not say', () => {
    const defaults = { idleMs: 1000, halfCloseMs: 2000, udpIdleMs: 3000 }
    expect(read({}, defaults).options).toEqual({ ...DEFAULTS, ...defaults })
    const said = read({ 'udp-timeout': '7s', 'idle-timeout': '8s', 'half-close-timeout': '9s' }, defaults).options
    expect(said).toEqual({ ...DEFAULTS, idleMs: 8000, halfCloseMs: 9000, udpIdleMs: 7000 })
  })

  it.each([
    ['on-endpoint-removed', 'drain'],
    ['on-endpoint-removed', 'drain='],
    ['on-endpoint-removed', 'drain=0'],
    ['on-endpoint-removed', 'drain=-1s'],
    ['on-endpoint-removed', 'Keep'],
    ['on-endpoint-removed', ''],
    ['allow-from', ''],
    ['source-addresses', ''],
    ['source-addresses', '10.0.0.5,any'],
    ['source-addresses', '0.0.0.0'],
    ['source-addresses', 'ff02::1'],
    ['source-addresses', Array.from({ length: 65 }, (_, n) => `10.0.0.${n}`).join(',')],
    ['deny-from', '10.0.0.0/8,nowhere'],
    ['deny-from', Array.from({ length: 257 }, (_, n) => `10.0.${n}.1`).join(',')],
    ['client-sessions', '0'],
    ['client-sessions', '1000001'],
    ['client-sessions', '10,udp=5'],
    ['client-sessions', 'tcp=1,tcp=2'],
    ['client-sessions', 'dccp=1'],
    ['client-rate', '20'],
    ['client-rate', '0/s'],
    ['client-rate', '1/h'],
    ['client-rate', '1.5/s'],
    ['client-rate', '100001/s'],
    ['client-rate', '20/s,burst=0'],
    ['client-rate', '1/m,burst=16'],
    ['service-rate', '10/s,burst=9001'],
    ['client-prefix', '24'],
    ['client-prefix', '7,64'],
    ['client-prefix', '24,129'],
    ['turn-away', 'tarpit'],
    ['affinity-scope', 'Service'],
    ['on-endpoint-unready', 'drain'],
    ['on-service-removed', 'stop'],
    ['max-session-duration', '0'],
    ['max-session-duration', '8h,9h'],
    ['scheduler', 'WRR'],
    ['scheduler', ''],
    ['weights', ''],
    ['weights', '10.1.0.1'],
    ['weights', '10.1.0.1=65536'],
    ['weights', '10.1.0.1=-1'],
    ['weights', '10.1.0.1=1=1'],
    ['weights', '10.1.0.1:80=1'],
    ['weights', '10.1.0.1=1,'],
    ['backup', ''],
    ['backup', '10.1.0.1,web'],
    ['slow-start', '0'],
    ['idle-timeout', ''],
    ['idle-timeout', '0'],
    ['idle-timeout', '1us'],
    ['idle-timeout', '1 hour'],
    ['idle-timeout', '597h'],
    ['half-close-timeout', 'never'],
    ['udp-timeout', '-1s'],
    ['connect-timeout', ''],
    ['connect-timeout', '1s,'],
    ['connect-timeout', '1s,0s'],
    ['connect-timeout', Array(17).fill('1s').join()],
    ['attempts', '0'],
    ['attempts', '17'],
    ['attempts', '1.5'],
    ['attempts', '-1'],
    ['attempts', '0x2'],
    ['udp-responses', '0'],
    ['udp-responses', '1000001'],
    ['send-proxy', ''],
    ['send-proxy', 'true'],
    ['send-proxy', 'v3'],
    ['send-proxy', 'v1,unique-id'],
    ['send-proxy', 'v2,'],
    ['send-proxy', 'v2,ssl'],
    ['send-proxy', 'v2,0xdf=x'],
    ['send-proxy', 'v2,0xf0=x'],
    ['send-proxy', 'v2,0xe0='],
    ['send-proxy', 'v2,0xe0=a,0xe0=b'],
    ['send-proxy', 'v2,0xe0={client}'],
    ['send-proxy', 'v2,0xe0={service}{service}'],
    ['send-proxy', `v2,0xe0=${'x'.repeat(129)}`],
    ['send-proxy', 'v2,0xe0=é'],
    ['accept-proxy', ''],
    ['accept-proxy', 'true'],
    ['accept-proxy', '10.0.0.0/33'],
    ['accept-proxy', '10.0.0.0/8,'],
    ['accept-proxy', Array(257).fill('192.0.2.1').join()],
    ['accept-proxy-timeout', '0'],
  ])('keep the default, loudly, for %s: %j', (name, text) => {
    const { options, findings, rejected } = read({ [name]: text })
    expect(options).toEqual(DEFAULTS)
    expect(rejected).toBe(false)
    expect(findings).toEqual([
      {
        severity: 'error',
        code: 'annotation',
        path: ['metadata', 'annotations', `portald.io/${name}`],
        value: text,
        message: ANNOTATIONS.find((rule) => rule.name === `portald.io/${name}`)?.right,
      },
    ])
  })

  it('keep what is right beside what is wrong', () => {
    expect(read({ attempts: 'many', 'idle-timeout': '5m' }).options).toEqual({ ...DEFAULTS, idleMs: 300_000 })
  })

  it('must be text, as Kubernetes wants them', () => {
    const { options, findings } = read({ attempts: 3 })
    expect(options).toEqual(DEFAULTS)
    expect(findings).toMatchObject([{ severity: 'error', code: 'type', value: 3 }])
    expect(findings[0]?.message).toBe('must be text: put it in quotes; must be a whole number from 1 to 16')
  })

  it('take the process’s scheduler where a Service does not say', () => {
    const findings = new Findings()
    const defaults = { ...DEFAULT_PARSE_OPTIONS.defaults, scheduler: 'wlc' } as const
    expect(parseAnnotations({}, defaults, findings).scheduler).toBe('wlc')
    expect(parseAnnotations({ 'portald.io/scheduler': 'nonsense' }, defaults, findings).scheduler).toBe('wlc')
    expect(parseAnnotations({ 'portald.io/scheduler': 'rr' }, defaults, findings).scheduler).toBe('rr')
  })

  it('understand slow-start, and warn where the scheduler does not heed it', () => {
    for (const scheduler of ['wrr', 'lc', 'wlc', 'sed', 'nq', 'p2c', 'random']) {
      const { options, findings } = read({ scheduler, 'slow-start': '30s' })
      expect({ options, findings }).toEqual({ options: { ...DEFAULTS, scheduler, slowStartMs: 30_000 }, findings: [] })
    }
    for (const scheduler of ['rr', 'sh', 'dh', 'mh']) {
      const { findings } = read({ scheduler, 'slow-start': '30s' })
      expect(findings).toMatchObject([{ severity: 'warning', code: 'slow-start', value: '30s' }])
      expect(findings[0]?.message).toBe(`means nothing to scheduler ${scheduler}; wrr, wlc or p2c would heed it`)
    }
  })

  it('warn where source-addresses mean nothing', () => {
    const { findings } = read({ 'source-address': 'transparent', 'source-addresses': '10.0.0.5' })
    expect(findings).toMatchObject([{ severity: 'warning', code: 'source-addresses', value: '10.0.0.5' }])
  })

  it('name the nearest one when one is not known', () => {
    const { options, findings } = read({ 'idle-timeut': '5m' })
    expect(options).toEqual(DEFAULTS)
    expect(findings).toMatchObject([{ severity: 'warning', code: 'annotation-unknown' }])
    expect(findings[0]?.message).toBe('is not known; the nearest is portald.io/idle-timeout')
  })

  it('of others are not looked at', () => {
    const findings = new Findings()
    parseAnnotations(
      { 'kubectl.kubernetes.io/x': 5, 'portald.iox/attempts': 'x', attempts: 'x' },
      DEFAULT_PARSE_OPTIONS.defaults,
      findings,
    )
    expect(findings.list()).toEqual([])
  })

  it('read any text that a check sends, or none of it, and never more than it may be', () => {
    const parts = fc.constantFrom('\\', '\\r', '\\x', '\\x0', '\\xff', '\\\\', 'é', '😀', '\ud800', 'a', '\n')
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: 'binary' }),
          fc.array(parts).map((all) => all.join('')),
        ),
        (text) => {
          const bytes = parseCheckText(text)
          if (bytes !== undefined)
            expect([...bytes].every((byte) => byte.charCodeAt(0) < 256) && bytes.length <= 1_024).toBe(true)
          const escaped = [...Buffer.from(text)].map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('')
          if (text.length < 200) expect(parseCheckText(escaped)).toBe(Buffer.from(text).toString('latin1'))
        },
      ),
    )
  })

  it('are never a reason to fail', () => {
    const names = fc.oneof(fc.string(), fc.constantFrom(...ANNOTATIONS.map((rule) => rule.name)))
    const texts = fc.oneof(fc.anything(), fc.stringMatching(/^[0-9a-z=.,]{0,12}$/))
    fc.assert(
      fc.property(fc.dictionary(names, texts), (annotations) => {
        const options = parseAnnotations(annotations, DEFAULT_PARSE_OPTIONS.defaults, new Findings())
        expect(options.connectMs.length).toBeGreaterThan(0)
        for (const ms of [...options.connectMs, options.idleMs, options.halfCloseMs, options.udpIdleMs])
          expect(ms).toBeGreaterThanOrEqual(1)
      }),
    )
  })
})

describe('the table of annotations', () => {
  it('has a default that its own rule reads, or none', () => {
    for (const rule of ANNOTATIONS) {
      expect(rule.name.startsWith(ANNOTATION_PREFIX)).toBe(true)
      if (rule.fallback !== '') expect(rule.parse(rule.fallback)).toBeDefined()
    }
    expect(ANNOTATIONS.map((rule) => rule.fallback).map((text) => text.split(',').map(parseDuration))).toContainEqual([
      250, 500, 1000, 2000,
    ])
  })

  it('says in one line what each is for and what would be right', () => {
    for (const { about, right } of ANNOTATIONS) {
      for (const text of [about, right]) expect(text).toMatch(/^[a-z][^\n]{10,140}[^.\n]$/)
    }
  })
})
