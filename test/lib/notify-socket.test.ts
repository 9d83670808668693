import { describe, expect, it } from 'vitest'
import { openNotifySocket, takeSupervisorWishes } from '../../src/lib/notify-socket.ts'

const PID = 4711

describe('wishes of a service manager', () => {
  it('are taken out of the environment, for children must not answer for us', () => {
    const variables = { PATH: '/bin', NOTIFY_SOCKET: '/run/n', WATCHDOG_USEC: '30000000', WATCHDOG_PID: `${PID}` }
    expect(takeSupervisorWishes(variables, PID)).toEqual({ notifySocket: '/run/n', watchdogMs: 30_000 })
    expect(variables).toEqual({ PATH: '/bin' })
  })

  it('are none without a socket', () => {
    expect(takeSupervisorWishes({ WATCHDOG_USEC: '1000' }, PID)).toBeUndefined()
    expect(takeSupervisorWishes({ NOTIFY_SOCKET: '' }, PID)).toBeUndefined()
  })

  it.each([
    [{}, undefined],
    [{ WATCHDOG_USEC: '500' }, 0.5],
    [{ WATCHDOG_USEC: '0' }, undefined],
    [{ WATCHDOG_USEC: '1e9' }, undefined],
    [{ WATCHDOG_USEC: '1000', WATCHDOG_PID: '1' }, undefined],
  ])('have a watchdog only if it is meant for this process: %j', (variables, watchdogMs) => {
    expect(takeSupervisorWishes({ NOTIFY_SOCKET: '@n', ...variables }, PID)).toEqual({ notifySocket: '@n', watchdogMs })
  })
})

describe('notify socket', () => {
  it.each(['vsock:2:1', 'relative', '@', ''])('cannot be %j', (path) => {
    expect(openNotifySocket(path)).toBe(`"${path}" is neither a path nor an abstract name`)
  })
})
