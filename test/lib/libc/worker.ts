// Runs in a worker thread of `load.test.ts`: the same library, loaded a second time in the process.
import { createRequire } from 'node:module'
import { parentPort, workerData } from 'node:worker_threads'
import { openArena } from '../../../src/lib/libc/arena.ts'
import { EPOLL_CTL_ADD, EPOLLIN, SOCK_CLOEXEC, SOCK_STREAM } from '../../../src/lib/libc/constants.ts'
import { EpollChange, EpollEvents } from '../../../src/lib/libc/epoll-events.ts'
import { errnoName } from '../../../src/lib/libc/errno.ts'
import { loadLibc } from '../../../src/lib/libc/load.ts'
import { writeSocketAddress } from '../../../src/lib/libc/socket-address.ts'
import { openSockets } from '../../../src/lib/libc/sockets.ts'

export interface WorkerReport {
  readonly errno: string
  readonly echoed: string
  readonly event: { readonly fd: boolean; readonly generation: number; readonly mask: number }
  readonly koffiLoaded: boolean
}

function makeCalls(): Omit<WorkerReport, 'koffiLoaded'> {
  const loaded = loadLibc()
  if (!loaded.libc) throw new Error(loaded.reason)
  const { calls, errno, layout } = loaded.libc
  using arena = openArena(loaded.libc, 65536)
  using sockets = openSockets(loaded.libc)
  const listener = sockets.listenTcp({ address: { word0: 0, word1: 0, word2: 0xffff, word3: 0x7f000001, port: 0 }, backlog: 1 })
  if (listener.failed) throw new Error(listener.failed.call)
  const room = arena.allocate(32)
  const bytes = writeSocketAddress(arena, room, listener.value.address)
  const client = calls.socket(2, SOCK_STREAM | SOCK_CLOEXEC, 0)
  calls.connect(client, arena.addressOf(room), bytes)
  const accepted = calls.accept4(listener.value.fd, 0, 0, SOCK_CLOEXEC)

  const events = new EpollEvents(arena, layout, 4)
  const epoll = calls.epoll_create1(0)
  calls.epoll_ctl(epoll, EPOLL_CTL_ADD, accepted, new EpollChange(arena, layout).set(EPOLLIN, accepted, 41))
  const message = new TextEncoder().encode('from a worker')
  arena.u8.set(message, 1024)
  calls.send(client, arena.addressOf(1024), message.length, 0)
  const count = calls.epoll_wait(epoll, events.address, events.capacity, 1000)
  const event = { fd: count === 1 && events.fd(0) === accepted, generation: events.generation(0), mask: events.mask(0) }
  const received = calls.recv(accepted, arena.addressOf(2048), 100, 0)
  const echoed = new TextDecoder().decode(arena.u8.slice(2048, 2048 + received))

  for (const fd of [accepted, client, epoll, listener.value.fd]) calls.close(fd)
  const late = calls.socket(2, SOCK_STREAM | SOCK_CLOEXEC, 0)
  const refused = calls.connect(late, arena.addressOf(room), bytes)
  const number = errno[0] as number
  calls.close(late)
  return { errno: refused === -1 ? errnoName(number) : 'connected', echoed, event }
}

const none = { errno: '', echoed: '', event: { fd: false, generation: 0, mask: 0 } }
const report = workerData === 'calls' ? makeCalls() : none
const koffiLoaded = Object.keys(createRequire(import.meta.url).cache).some((path) => path.includes('koffi'))
parentPort?.postMessage({ ...report, koffiLoaded } satisfies WorkerReport)
