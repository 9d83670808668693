import { describe, expect, it } from 'vitest'
import { defaultRouteInterface } from '../../src/lib/default-route.ts'

const V4 = `Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0
wlan0\t00000000\t0101A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0
eth0\t00000000\t010200C0\t0003\t0\t0\t100\t00000000\t0\t0\t0
tun0\t00000000\t00000000\t0001\t0\t0\t50\t00000080\t0\t0\t0
`
const ALL = '0'.repeat(32)
const V6 = `20010db8000000000000000000000000 40 ${ALL} 00 ${ALL} 00000100 00000001 00000000 00000001     eth0
${ALL} 00 ${ALL} 00 fe800000000000000000000000000001 00000258 00000004 00000000 00000003    wlan0
${ALL} 00 ${ALL} 00 fe800000000000000000000000000001 00000064 00000004 00000000 00000003     eth0
${ALL} 00 ${ALL} 00 ${ALL} 00000001 00000001 00000000 00200200       lo
`

describe('the interface of the default route', () => {
  it('is that of the lowest metric, of routes that are up and lead everywhere', () => {
    expect(defaultRouteInterface({ v4: V4, v6: V6 }, 4)).toBe('eth0')
    expect(defaultRouteInterface({ v4: V4, v6: V6 }, 6)).toBe('eth0')
    const withoutEth0 = { v4: V4.replace(/^eth0.*\n/m, ''), v6: V6.split('\n').slice(0, 2).join('\n') }
    expect(defaultRouteInterface(withoutEth0, 4)).toBe('wlan0')
    expect(defaultRouteInterface(withoutEth0, 6)).toBe('wlan0')
    expect(defaultRouteInterface({ v4: V4.replace('0101A8C0\t0003', '0101A8C0\t0002'), v6: '' }, 4)).toBe('eth0')
  })

  it('is none where no such route is, nor a table', () => {
    const refusing = V6.split('\n').at(-2) ?? ''
    expect(defaultRouteInterface({ v4: '', v6: refusing }, 6)).toBeUndefined()
    expect(defaultRouteInterface({ v4: '', v6: '' }, 4)).toBeUndefined()
  })
})
