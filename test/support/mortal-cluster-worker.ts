import { existsSync } from 'node:fs'
import { workerData } from 'node:worker_threads'
import type { ClusterSettings } from '../../src/source/cluster/cluster-messages.ts'
import '../../src/source/cluster/cluster-worker.ts'

/** The cluster's thread, which dies as long as there is a file beside its kubeconfig. */
const { access } = workerData as ClusterSettings
const LOOK_EVERY_MS = 5

setInterval(() => {
  if (access.kind === 'kubeconfig' && existsSync(`${access.path}.die`)) throw new Error('killed by a test')
}, LOOK_EVERY_MS)
