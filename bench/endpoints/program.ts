import { type Child, openChild } from '../child.ts'
import { answers, assertFree, type Lab, pause } from '../lab.ts'
import type { Address, OpenSubject } from '../subjects/subject.ts'
import { type Iperf3Options, runIperf3 } from '../tools/iperf3.ts'
import { loadProgram } from '../tools/load-program.ts'

export const ECHO_PORT = 20_007
const IPERF3_PORT = 20_201
const UDP_BIND_MS = 150

async function untilAnswers(child: Child, address: Address, say: string | undefined): Promise<void> {
  while (!(await answers(address, say))) {
    const gone = child.gone()
    if (gone !== undefined) throw new Error(gone)
    await pause(10)
  }
}

/** Echoes on so many addresses, TCP or UDP, from the C load program. */
export async function openEcho(lab: Lab, protocol: 'tcp' | 'udp', count: number, cores: string | undefined) {
  const addresses = Array.from({ length: count }, (_, index) => ({ ip: lab.endpointIp(index), port: ECHO_PORT }))
  for (const address of addresses) await assertFree(protocol, address)
  const [first, ...others] = addresses.map(({ ip }) => ip)
  const command = [await loadProgram(`${protocol}-load`), 'echo', first ?? '', `${ECHO_PORT}`, ...others]
  const child = await openChild({ name: `${protocol}-echo`, command, cores, directory: lab.directory })
  if (protocol === 'tcp') for (const address of addresses) await untilAnswers(child, address, 'x')
  else await pause(UDP_BIND_MS)
  const gone = child.gone()
  if (gone !== undefined) throw new Error(gone)
  return { addresses, [Symbol.asyncDispose]: () => child[Symbol.asyncDispose]() }
}

/** One `iperf3 -s`: it serves one client at a time, so each trial has its own. */
export async function openIperf3Endpoint(lab: Lab, address: Address, cores: string | undefined): Promise<Child> {
  await assertFree('tcp', address)
  const command = ['iperf3', '-s', '-B', address.ip, '-p', `${address.port}`, '--forceflush']
  const child = await openChild({ name: 'iperf3-endpoint', command, cores, directory: lab.directory })
  // A probe without iperf3's cookie would occupy the server: believe what it says.
  while (!child.output().includes('Server listening')) {
    const gone = child.gone()
    if (gone !== undefined) throw new Error(gone)
    await pause(5)
  }
  return child
}

const WARM_UP_TIMEOUT_MS = 20_000
const WARM_UP_GAP_MS = 200

/** Warms the subject up, and is the probe whether it forwards: iperf3's endpoint would take any other connection for a
 *  client. Tried again until it goes through, also while the endpoint finishes with what came before. */
export async function warmUpIperf3(subject: OpenSubject, options: Iperf3Options): Promise<void> {
  const deadline = performance.now() + WARM_UP_TIMEOUT_MS
  for (;;) {
    const problem = await runIperf3(options).then(
      () => undefined,
      (error: Error) => error,
    )
    const gone = subject.gone()
    if (gone !== undefined) throw new Error(gone)
    await pause(WARM_UP_GAP_MS)
    if (problem === undefined) return
    if (performance.now() > deadline) throw problem
  }
}

export const iperf3Address = (lab: Lab): Address => ({ ip: lab.endpointIp(0), port: IPERF3_PORT })
