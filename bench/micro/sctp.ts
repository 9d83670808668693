import { execFileSync, spawn } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { Packet, readU16 } from '../../src/listener/sctp/packet.ts'
import { ENDPOINTS, type Host, NetLab } from '../../test/support/net-lab.ts'
import { aService, aSlice } from '../../test/support/objects.ts'
import { ScriptedAssociation } from '../../test/support/sctp-association.ts'
import { buildSctpPeer, noSctpLab, SctpPeer } from '../../test/support/sctp-lab.ts'
import { cookieAck, cookieEcho, data, init, initAck, sctpPacket } from '../../test/support/sctp-packets.ts'
import { createSctpWorld, VIP_PORT, VIP as WORLD_VIP } from '../../test/support/sctp-world.ts'
import { makeTemporaryFolder } from '../../test/support/temporary-folder.ts'
import { within } from '../../test/support/within.ts'
import { sampleCpu } from '../proc.ts'

/** What an SCTP packet costs: with `--core` in the state machine alone, else between peers over libusrsctp in three network
 *  namespaces, beside the way that the kernel forwards without a proxy, by turns. As root; needs gcc and libusrsctp-dev.
 *  Run: node bench/micro/sctp.ts [--rounds 5] [--messages 200000] [--core] */
const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    messages: { type: 'string', default: '200000' },
    core: { type: 'boolean', default: false },
  },
})
const ROUNDS = Number(values.rounds)
const MESSAGES = Number(values.messages)
const VIP = '10.96.0.10'
const PORT = 3868
const SIZES = [100, 1_000]
const CORE_PACKETS = 1_000_000

const median = (list: readonly number[]) => list.toSorted((a, b) => a - b)[list.length >> 1] as number
const spread = (list: readonly number[], digits: number) =>
  `${median(list).toFixed(digits)} (${Math.min(...list).toFixed(digits)}–${Math.max(...list).toFixed(digits)})`

function measureCore(): void {
  let listening = true
  const seen: Packet[] = []
  const world = createSctpWorld({
    output: {
      send({ bytes, start, end, addresses }) {
        if (!listening) return
        const copy = new Packet(bytes.slice(start, end))
        copy.addresses.set(addresses)
        seen.push(copy)
      },
    },
  })
  const peers = new ScriptedAssociation(world)
  world.receive(peers.client, WORLD_VIP, sctpPacket(peers.port, VIP_PORT, 0, init(peers.clientTag)))
  peers.sourcePort = readU16((seen.at(-1) as Packet).bytes, 0)
  peers.endpoint = '10.1.0.1'
  peers.reply(initAck(peers.endpointTag))
  peers.say(cookieEcho())
  peers.reply(cookieAck())
  listening = false
  const bytes = sctpPacket(peers.port, VIP_PORT, peers.endpointTag, data('x'.repeat(1_400)))
  const packet = new Packet(bytes.slice())
  const ports = bytes.subarray(0, 12)
  const addresses = new Int32Array([0, 0, -65_536, 0x070200c0, 0, 0, -65_536, 0x0a00600a])
  const run = () => {
    for (let n = 0; n < CORE_PACKETS; n++) {
      packet.bytes.set(ports, 0)
      packet.start = 0
      packet.end = bytes.length
      packet.addresses.set(addresses)
      world.translator.receive(packet)
    }
  }
  run()
  const before = world.tally.fromClient
  const times = Array.from({ length: ROUNDS }, () => {
    const start = process.threadCpuUsage()
    run()
    const { user, system } = process.threadCpuUsage(start)
    return ((user + system) * 1e3) / CORE_PACKETS
  })
  if (world.tally.fromClient - before !== ROUNDS * CORE_PACKETS) throw new Error('packets were not passed on')
  console.log(`${spread(times, 0)} ns of CPU a packet of 1,428 bytes in the state machine, a copy of it for the bench included`)
}

/** What a namespace says that was delivered to it. */
function delivered(host: Host): number {
  const text = execFileSync('ip', ['netns', 'exec', host.namespace, 'cat', '/proc/net/snmp'], { encoding: 'utf8' })
  const [names, numbers] = text
    .split('\n')
    .filter((line) => line.startsWith('Ip:'))
    .map((line) => line.split(' '))
  return Number(numbers?.[names?.indexOf('InDelivers') ?? -1])
}

async function measurePeers(): Promise<void> {
  const built = buildSctpPeer()
  const missing = noSctpLab() ?? ('missing' in built ? built.missing : undefined)
  if (missing !== undefined || 'missing' in built) throw new Error(`not here: ${missing}`)
  const { program } = built
  await using lab = await NetLab.open()
  using folder = makeTemporaryFolder()
  const file = join(folder.path, 'objects.json')
  const ports = [{ name: 'd', port: 9_000, protocol: 'SCTP' }]
  const service = aService('dia', { clusterIP: VIP, ports: [{ name: 'd', port: PORT, protocol: 'SCTP' }] })
  const items = [service, aSlice('dia', [ENDPOINTS[4][0]], { ports })]
  writeFileSync(file, JSON.stringify({ apiVersion: 'v1', kind: 'List', items }))
  execFileSync('ip', ['netns', 'exec', lab.node.namespace, 'sysctl', '-q', '-w', 'net.ipv4.ip_forward=1'])
  await using server = SctpPeer.start(program, lab.endpoints[0], 'serve', 'a', ENDPOINTS[4][0], 9_000)
  await server.said('listening')
  const main = join(import.meta.dirname, '../../src/main.ts')
  const off = ['--metrics-bind-address', '', '--healthz-bind-address', '']
  const run = ['run', '--file', file, '--service-cluster-ip-range', '10.96.0.0/16', '--workers', '1', ...off]
  const proxy = spawn('ip', ['netns', 'exec', lab.node.namespace, process.execPath, main, ...run], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  try {
    let log = ''
    const ready = new Promise<void>((resolve) =>
      proxy.stderr.setEncoding('utf8').on('data', (text: string) => {
        log += text
        if (log.includes('proxy.ready')) resolve()
      }),
    )
    await within('portald to be ready', ready)
    const flood = async (ip: string, port: number, size: number) => {
      const [said = ''] = await SctpPeer.run(program, lab.client, 'flood', ip, port, MESSAGES, size)
      const [, rate] = /: ([\d.]+) MB\/s/.exec(said) ?? []
      if (rate === undefined || !said.includes(`counts ${MESSAGES} `)) throw new Error(`flood: ${said}`)
      return Number(rate)
    }
    console.log('| messages | direct, MB/s | portald, MB/s | portald ÷ direct | µs CPU a packet | packets |')
    console.log('| --- | ---: | ---: | ---: | ---: | ---: |')
    for (const size of SIZES) {
      const [direct, ours, ratio, cost, packets] = [[], [], [], [], []] as number[][] as [
        number[],
        number[],
        number[],
        number[],
        number[],
      ]
      await flood(VIP, PORT, size)
      for (let round = 0; round < ROUNDS; round++) {
        direct.push(await flood(ENDPOINTS[4][0], 9_000, size))
        const cpu = sampleCpu([proxy.pid as number]).cpuNs
        const before = delivered(lab.node)
        ours.push(await flood(VIP, PORT, size))
        packets.push(delivered(lab.node) - before)
        cost.push((sampleCpu([proxy.pid as number]).cpuNs - cpu) / 1e3 / (packets.at(-1) as number))
        ratio.push((ours.at(-1) as number) / (direct.at(-1) as number))
      }
      console.log(
        `| ${MESSAGES} × ${size} B | ${spread(direct, 1)} | ${spread(ours, 1)} | ${spread(ratio, 2)} | ${spread(cost, 1)} | ${median(packets)} |`,
      )
    }
    const setups = async (ip: string, port: number) => {
      const [said = ''] = await SctpPeer.run(program, lab.client, 'setups', ip, port, 3)
      return Number(/: (\d+) \/s/.exec(said)?.[1])
    }
    const [direct, ours]: [number[], number[]] = [[], []]
    for (let round = 0; round < ROUNDS; round++) {
      direct.push(await setups(ENDPOINTS[4][0], 9_000))
      ours.push(await setups(VIP, PORT))
    }
    console.log(`\nset up and shut down, one after the other, a second: direct ${spread(direct, 0)}, portald ${spread(ours, 0)}`)
    console.log(`\nload average ${readFileSync('/proc/loadavg', 'utf8').split(' ', 3).join(' ')}`)
  } finally {
    proxy.kill('SIGKILL')
  }
}

if (values.core) measureCore()
else await measurePeers()
