import { iperf3Address, openIperf3Endpoint, warmUpIperf3 } from '../endpoints/program.ts'
import { notInstalled } from '../tools/installed.ts'
import { runIperf3 } from '../tools/iperf3.ts'
import { BYTES_PER_GB, cpuValues, measureCpu, NS_PER_SECOND, type Scenario, withSubject } from './scenario.ts'

/** iperf3 as fast as it goes; reversed, the bytes come from the endpoint. */
function bulkScenario(streams: number, reverse: boolean): Scenario {
  const count = streams === 1 ? '1 stream' : `${streams} streams`
  return {
    name: `bulk-${streams}${reverse ? '-reverse' : ''}`,
    title: `bulk TCP, ${count}, ${reverse ? 'endpoint to client' : 'client to endpoint'}`,
    protocol: 'tcp',
    workers: 1,
    metrics: [
      { key: 'cpu', title: 'CPU s/GB' },
      { key: 'rate', title: 'MB/s' },
      { key: 'corePercent', title: 'CPU %' },
      { key: 'userPercent', title: 'user %' },
    ],
    peers: ['haproxy', 'haproxy-splice'],
    unavailable: () => notInstalled('iperf3'),
    async open(lab, { seconds, warmupSeconds }) {
      const cores = lab.cores(1)
      const endpoint = iperf3Address(lab)
      return {
        setting: `iperf3, ${count}, 128 KiB writes`,
        trial(competitor) {
          const local = { ip: lab.listenerIp(0), port: competitor.port }
          const plan = { listeners: [{ protocol: 'tcp' as const, local, endpoints: [endpoint] }], workers: 1 }
          return withSubject(lab, competitor, plan, [], async (open, [to = local]) => {
            await using server = await openIperf3Endpoint(lab, endpoint, cores.loadPin)
            const load = { to, streams, reverse, cores: cores.loadPin }
            await warmUpIperf3(open, { ...load, seconds: warmupSeconds })
            const { result, cpu } = await measureCpu(cores.proxy, open, () => runIperf3({ ...load, seconds }))
            const gone = server.gone()
            if (gone !== undefined) throw new Error(gone)
            const gigabytes = result.bytes / BYTES_PER_GB
            return { values: { ...cpuValues(cpu, gigabytes, NS_PER_SECOND), rate: result.bytesPerSecond / 1e6 }, remarks: [] }
          })
        },
        [Symbol.asyncDispose]: async () => {},
      }
    },
  }
}

export const bulkScenarios = [bulkScenario(1, false), bulkScenario(8, false), bulkScenario(1, true), bulkScenario(8, true)]
