// JavaScript, so that its start-up time and memory are not those of a compiler.
import { createSocket } from 'node:dgram'
import { readFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'

const UDP_IDLE_MS = 60_000

/** @param {import('./subject.ts').ListenerPlan} plan */
function forwardTcp({ local, endpoints }) {
  let next = 0
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    const to = endpoints[next++ % endpoints.length] ?? local
    const endpoint = connect({ port: to.port, host: to.ip, allowHalfOpen: true, noDelay: true })
    client.on('error', () => endpoint.destroy())
    endpoint.on('error', () => client.destroy())
    client.pipe(endpoint)
    endpoint.pipe(client)
  })
  server.listen({ port: local.port, host: local.ip, backlog: 4096 })
}

/** @param {import('./subject.ts').ListenerPlan} plan */
function forwardUdp({ local, endpoints }) {
  /** @type {Map<string, { socket: import('node:dgram').Socket, usedMs: number }>} */
  const sessions = new Map()
  let next = 0
  const listener = createSocket('udp4')
  listener.on('message', (data, from) => {
    const key = `${from.address}:${from.port}`
    let session = sessions.get(key)
    if (session === undefined) {
      const to = endpoints[next++ % endpoints.length] ?? local
      const socket = createSocket('udp4')
      socket.on('message', (answer) => listener.send(answer, from.port, from.address))
      socket.on('error', () => sessions.delete(key))
      socket.connect(to.port, to.ip, () => socket.send(data))
      session = { socket, usedMs: performance.now() }
      sessions.set(key, session)
      return
    }
    session.usedMs = performance.now()
    try {
      session.socket.send(data)
    } catch {
      // Not connected yet: the datagram is lost, as datagrams may be.
    }
  })
  listener.bind(local.port, local.ip)
  setInterval(() => {
    const now = performance.now()
    for (const [key, session] of sessions) {
      if (now - session.usedMs < UDP_IDLE_MS) continue
      session.socket.close()
      sessions.delete(key)
    }
  }, UDP_IDLE_MS / 4)
}

/** @type {import('./subject.ts').ListenerPlan[]} */
const listeners = JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8'))
for (const plan of listeners) plan.protocol === 'tcp' ? forwardTcp(plan) : forwardUdp(plan)
