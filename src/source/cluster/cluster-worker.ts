import { parentPort, workerData } from 'node:worker_threads'
import { systemClock } from '../../lib/clock.ts'
import { systemRandom } from '../../lib/random.ts'
import { openClusterFeed } from './cluster-feed.ts'
import type { ClusterRequest, ClusterSettings } from './cluster-messages.ts'

/** The cluster's thread: network, JSON and everything that follows from them. */
const feed = openClusterFeed({
  settings: workerData as ClusterSettings,
  clock: systemClock,
  random: systemRandom,
  send: (message) => parentPort?.postMessage(message),
})

parentPort?.on('message', ({ kind }: ClusterRequest) => {
  if (kind === 'taken') feed.taken()
  else feed.refresh()
})
