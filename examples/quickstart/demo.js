// Runs portald in front of a few small servers and shows what it does. Stays until Ctrl-C; with --once it ends by itself,
// with 0 only if everything was seen.
import { spawn } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { Agent, createServer, get } from 'node:http'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'

const WEB = '127.96.0.10'
const STICKY = '127.96.0.11'
const ECHO = '127.96.0.12'
const METRICS = '127.96.0.1:10249'
const SERVERS = { 'web-1': '127.96.1.1', 'web-2': '127.96.1.2', 'web-3': '127.96.1.3', 'web-4': '127.96.1.4' }
const UDP_SERVER = '127.96.1.9'
const CLIENTS = ['127.96.2.1', '127.96.2.2', '127.96.2.3']
const REQUESTS = 30
const PATIENCE_MS = 15_000

/** Something that should have been seen was not; the message is for people. */
class NotSeen extends Error {}

const stay = !process.argv.includes('--once')
const color = process.stdout.isTTY && !process.env.NO_COLOR
const paint = (code, text) => (color ? `\x1b[${code}m${text}\x1b[0m` : text)
/** What has to be ended, the last one first. */
const endings = []

let steps = 0
function head(title) {
  console.log(`\n${paint(1, `${++steps}  ${title}`)}`)
}
function seen(text) {
  console.log(`   ${paint(32, '✓')} ${text}`)
}
function expectSeen(condition, text, otherwise) {
  if (!condition) throw new NotSeen(otherwise)
  seen(text)
}

// --- the servers ------------------------------------------------------------------------------------------------------

function explain(error, address) {
  if (error.code === 'EADDRINUSE') return new NotSeen(`${address} is taken: does another demo run?`)
  if (error.code !== 'EADDRNOTAVAIL') return error
  const ip = address.split(':')[0]
  return new NotSeen(`${ip} is no address of this machine; Linux has all of 127.x, others need it added to loopback`)
}

async function openHttpServer(name, ip) {
  const server = createServer((_request, response) => response.end(`${name}\n`))
  server.keepAliveTimeout = PATIENCE_MS
  server.listen(9000, ip)
  await once(server, 'listening').catch((error) => {
    throw explain(error, `${ip}:9000`)
  })
  endings.push(() => server.close().closeAllConnections())
}

/** Answers every datagram in capitals. */
async function openUdpServer(ip) {
  const socket = createSocket('udp4', (datagram, from) => {
    socket.send(datagram.toString().toUpperCase(), from.port, from.address)
  })
  socket.bind({ address: ip, port: 9053 })
  await once(socket, 'listening').catch((error) => {
    throw explain(error, `${ip}:9053`)
  })
  endings.push(() => socket.close())
}

// --- portald ----------------------------------------------------------------------------------------------------------

/** Starts the program as anyone would, and listens to its log. */
function startPortald(file) {
  const bin = join(import.meta.dirname, '../../bin/portald.js')
  const flags = ['--file', file, '--allow-loopback-endpoints', '--metrics-bind-address', METRICS, '--drain-timeout', '1s']
  const child = spawn(
    process.execPath,
    [bin, 'run', ...flags, '--healthz-bind-address', '', '--admin', '', '--state-dir', dirname(file)],
    {
      stdio: ['ignore', 'inherit', 'pipe'],
      // A group of its own: Ctrl-C is for the demo, which then ends it in good order.
      detached: true,
    },
  )
  // Whatever happens here, it is not left behind.
  process.on('exit', () => child.kill('SIGKILL'))
  const events = []
  const said = []
  const watchers = new Set()
  createInterface({ input: child.stderr }).on('line', (line) => {
    const event = line.startsWith('{') ? JSON.parse(line) : { msg: line }
    events.push(event)
    said.push(event.msg)
    for (const watcher of watchers) watcher(event)
  })
  const exit = once(child, 'exit').then(([code, signal]) => ({ code, signal }))
  const end = async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM')
    const late = setTimeout(() => child.kill('SIGKILL'), 5000)
    const how = await exit
    clearTimeout(late)
    return how
  }
  endings.push(end)
  return { events, said, exit, end, onEvent: (watcher) => watchers.add(watcher) }
}

async function untilReady(portald) {
  const ready = new Promise((resolve) => {
    portald.onEvent((event) => event.event === 'proxy.ready' && resolve(event))
  })
  const first = await Promise.race([ready, portald.exit])
  const last = portald.said.at(-1) ?? ''
  if (first.event === undefined) throw new NotSeen(`portald ended at once (${first.code ?? first.signal}): ${last}`)
  if (first.listening === first.listeners && first.listening === 3) return
  const failed = portald.events.find(({ event }) => event === 'listener.failed')
  throw new NotSeen(failed?.msg ?? `portald listens on ${first.listening} of 3 addresses`)
}

// --- the clients ------------------------------------------------------------------------------------------------------

/** Asks for a page and resolves with the name in it, and the socket it came through. */
async function ask(ip, options = {}) {
  const request = get({ host: ip, port: 8080, agent: false, timeout: 5000, ...options })
  request.on('timeout', () => request.destroy(new Error('no answer within 5 s')))
  const [response] = await once(request, 'response')
  let name = ''
  for await (const chunk of response) name += chunk
  return { name: name.trim(), reused: request.reusedSocket }
}

/** Opens so many connections one after the other and counts who answered. */
async function tally(count, ip, options) {
  const counts = new Map()
  for (let n = 0; n < count; n++) {
    const { name } = await ask(ip, options)
    counts.set(name, (counts.get(name) ?? 0) + 1)
  }
  return [...counts].sort(([a], [b]) => (a < b ? -1 : 1))
}

const show = (counts) => counts.map(([name, count]) => `${name} ${count}`).join(', ')
const isThirds = (counts) => counts.length === 3 && counts.every(([, count]) => count === REQUESTS / 3)

async function shout(text) {
  const socket = createSocket('udp4')
  try {
    // A connected socket takes answers from this address only.
    socket.connect(5353, ECHO)
    await once(socket, 'connect')
    socket.send(text)
    const [answer] = await once(socket, 'message', { signal: AbortSignal.timeout(5000) })
    return answer.toString()
  } finally {
    socket.close()
  }
}

// --- what is shown ----------------------------------------------------------------------------------------------------

async function start(file) {
  head('Start')
  for (const name of ['web-1', 'web-2', 'web-3']) await openHttpServer(name, SERVERS[name])
  seen('three HTTP servers: web-1, web-2, web-3 at 127.96.1.1 to .3, port 9000')
  await openUdpServer(UDP_SERVER)
  seen(`one UDP server at ${UDP_SERVER}, port 9053`)
  const startedMs = performance.now()
  const portald = startPortald(file)
  await untilReady(portald)
  const { engine, workers } = portald.events.find(({ event }) => event === 'engine.chosen')
  const threads = engine === 'native' ? ` with ${workers} worker${workers === 1 ? '' : 's'}` : ''
  seen(`portald, ready in ${Math.round(performance.now() - startedMs)} ms, engine ${engine}${threads}`)
  return portald
}

async function showRoundRobin() {
  head(`Round robin: ${REQUESTS} connections to Service web, ${WEB}:8080`)
  const counts = await tally(REQUESTS, WEB)
  expectSeen(isThirds(counts), show(counts), `not exact thirds: ${show(counts)}`)
}

async function showAffinity() {
  head(`Affinity: 10 connections of each client to sticky, ${STICKY}:8080`)
  for (const localAddress of CLIENTS) {
    const counts = await tally(10, STICKY, { localAddress })
    expectSeen(counts.length === 1, `${localAddress}: ${show(counts)}`, `${localAddress} was moved: ${show(counts)}`)
  }
}

async function showUdp() {
  head(`UDP: a datagram to echo, ${ECHO}:5353`)
  const answer = await shout('hello')
  expectSeen(answer === 'HELLO', '"hello" came back as "HELLO", from the address it was sent to', `it came back as "${answer}"`)
}

async function showLiveReload(file) {
  head('Live reload: one endpoint leaves web, another joins')
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  endings.push(() => agent.destroy())
  const { name: held } = await ask(WEB, { agent })
  seen(`a connection is open, to ${held}`)

  await openHttpServer('web-4', SERVERS['web-4'])
  const text = readFileSync(file, 'utf8').replaceAll(`[${SERVERS[held]}]`, `[${SERVERS['web-4']}]`)
  const startedMs = performance.now()
  writeFileSync(`${file}.new`, text)
  renameSync(`${file}.new`, file)
  const counts = { asked: 0, failed: 0 }
  for (let name = ''; name !== 'web-4' && performance.now() - startedMs < PATIENCE_MS; counts.asked++) {
    const answer = await ask(WEB).catch(() => undefined)
    if (answer === undefined) counts.failed++
    name = answer?.name ?? ''
  }
  const tookMs = Math.round(performance.now() - startedMs)
  expectSeen(tookMs < PATIENCE_MS, `${held} out of the file, web-4 in: in force after ${tookMs} ms`, 'web-4 was never asked')
  const { asked, failed } = counts
  expectSeen(failed === 0, `${asked} connections meanwhile, none failed`, `${failed} of ${asked} connections failed meanwhile`)
  const after = await tally(REQUESTS, WEB)
  const changed = isThirds(after) && after.every(([name]) => name !== held)
  expectSeen(changed, `${REQUESTS} more: ${show(after)}`, `not exact thirds without ${held}: ${show(after)}`)
  const { name, reused } = await ask(WEB, { agent })
  expectSeen(name === held && reused, `the open connection still talks to ${held}`, `the open connection was lost`)
  agent.destroy()
}

async function showEnd(portald) {
  head('End')
  const { code, signal } = await portald.end()
  expectSeen(code === 0, 'portald finished what ran and ended with 0', `portald ended with ${code ?? signal}`)
}

/** Waits for Ctrl-C, and says what portald does meanwhile. */
async function showAround(file, portald, stopped) {
  console.log(`
${paint(1, 'Now you')}
   curl http://${WEB}:8080        round robin
   curl http://${STICKY}:8080        the same server each time
   curl http://${METRICS}/metrics
   $EDITOR ${file}
                                       changes are in force when you save
   Ctrl-C ends it
`)
  portald.onEvent(({ event, msg, key, opened, changed, closed }) => {
    if (event === 'snapshot.applied') console.log(`   ${msg}: ${opened} opened, ${changed} changed, ${closed} closed`)
    else if (event?.startsWith('listener.')) console.log(`   ${key}: ${msg}`)
    else if (event?.startsWith('object.')) console.log(`   ${msg}`)
  })
  const gone = await Promise.race([stopped, portald.exit])
  if (gone) throw new NotSeen(`portald ended (${gone.code ?? gone.signal}): ${portald.said.at(-1)}`)
}

async function demo(stopped) {
  const folder = mkdtempSync(join(tmpdir(), 'portald-demo-'))
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
  const file = join(folder, 'services.yaml')
  writeFileSync(file, readFileSync(join(import.meta.dirname, 'services.yaml')))
  const portald = await start(file)
  await showRoundRobin()
  await showAffinity()
  await showUdp()
  await showLiveReload(file)
  if (!stay) await showEnd(portald)
  allSeen = true
  if (stay) await showAround(file, portald, stopped)
}

// A reader that went away, such as `head`, has seen enough.
process.stdout.on('error', () => process.exit(1))
const stopped = new Promise((resolve) => {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => resolve())
})
let allSeen = false
try {
  const work = demo(stopped)
  // What is still under way when somebody has seen enough concerns nobody.
  work.catch(() => {})
  await Promise.race([work, stopped])
  if (!allSeen) throw new NotSeen('stopped before everything was shown')
} catch (error) {
  console.error(`   ${paint(31, '✗')} ${error instanceof NotSeen ? error.message : (error.stack ?? error)}`)
  process.exitCode = 1
}
while (endings.length > 0) await endings.pop()()
process.exit()
