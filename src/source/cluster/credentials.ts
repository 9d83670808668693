import { type SpawnOptions, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import type { RequestOptions } from 'node:https'
import { dirname, resolve } from 'node:path'
import type { KubeConfig } from '@kubernetes/client-node'
import { messageOf, ProxyError } from '../../lib/errors.ts'
import { parseYaml } from '../yaml-text.ts'
import { isMapping } from './api-item.ts'

/** Where the cluster is and who we are there. */
export type ClusterAccess =
  | { readonly kind: 'kubeconfig'; readonly path: string }
  /** As a pod: its service account. */
  | { readonly kind: 'in-cluster' }

/** The server, and what to send so that it believes us. */
export interface Credentials {
  readonly server: URL
  /** Headers, certificates and the agent; made anew for every request, because tokens change. */
  readonly options: RequestOptions
}

/** Gives credentials for one request; `renew`: after the server refused the last ones, everything is read again.
 *  @throws ProxyError E_CONFIG when there are none to be had; a later call may find them. */
export type CredentialSource = (renew: boolean) => Promise<Credentials>

/** How long a plugin may take; nobody waits for it any longer. */
const PLUGIN_MS = 60_000

/** Everything about authentication is the Kubernetes client library's: kubeconfig files, exec plugins, OIDC, client
 *  certificates, tokens of a pod. It is large, and loaded with the first request. A kubeconfig is read again when its
 *  content changed. A plugin that takes longer than `pluginMs` is killed. */
export function createCredentialSource(access: ClusterAccess, pluginMs = PLUGIN_MS): CredentialSource {
  let content = ''
  let loaded: Promise<Loaded> | undefined

  return async (renew) => {
    try {
      const now = access.kind === 'kubeconfig' ? readFileSync(access.path, 'utf8') : ''
      if (!loaded || renew || now !== content) {
        content = now
        loaded = load(access, now, pluginMs)
      }
      const { config, tokenFile } = await loaded
      const options: RequestOptions = { headers: {} }
      const server = serverOf(config)
      await config.applyToHTTPSOptions(options)
      // Read every time: the file of a pod's token is replaced before the token ends.
      const token = tokenFile === undefined ? undefined : readFileSync(tokenFile, 'utf8').trim()
      const headers = { ...options.headers, ...(token ? { Authorization: `Bearer ${token}` } : {}) }
      return { server, options: { ...options, headers } }
    } catch (error) {
      loaded = undefined
      if (error instanceof ProxyError) throw error
      throw failure(access, messageOf(error) || 'its plugin for credentials failed without a word, or took too long', error)
    }
  }

  function serverOf(loaded: KubeConfig): URL {
    const text = loaded.getCurrentCluster()?.server
    if (text === undefined)
      throw failure(access, 'its current-context names no cluster: choose one with "kubectl config use-context"')
    if (!URL.canParse(text)) throw failure(access, `its server is no URL: ${text}: write https://HOST:PORT`)
    return new URL(text)
  }
}

interface Loaded {
  readonly config: KubeConfig
  readonly tokenFile: string | undefined
}

async function load(access: ClusterAccess, content: string, pluginMs: number): Promise<Loaded> {
  const { KubeConfig } = await import('@kubernetes/client-node')
  const config = new KubeConfig()
  boundPlugins(config, pluginMs)
  if (access.kind === 'kubeconfig') {
    config.loadFromFile(access.path)
    return { config, tokenFile: tokenFileOf(content, access.path, config.getCurrentUser()?.name) }
  }
  if (!process.env['KUBERNETES_SERVICE_HOST'] || !process.env['KUBERNETES_SERVICE_PORT']) {
    throw failure(
      access,
      'KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set, as they are in every pod; elsewhere give --kubeconfig',
    )
  }
  config.loadFromCluster()
  return { config, tokenFile: undefined }
}

/** The library starts plugins and waits for ever; one that hangs would be there once more with every new try. It has no door
 *  for this. */
function boundPlugins(config: KubeConfig, pluginMs: number): void {
  const { authenticators } = config as unknown as { readonly authenticators: readonly { execFn?: unknown }[] }
  for (const one of authenticators) {
    if (one.execFn === undefined) continue
    one.execFn = (command: string, args: readonly string[] = [], options: SpawnOptions = {}) =>
      spawn(command, args, { ...options, timeout: pluginMs, killSignal: 'SIGKILL' })
  }
}

/** The `tokenFile` of a user, which the library passes over and kubeadm gives to kube-proxy. */
function tokenFileOf(text: string, path: string, user: string | undefined): string | undefined {
  const parsed = parseYaml(text)
  const root = 'roots' in parsed ? parsed.roots[0]?.value : undefined
  const users = isMapping(root) && Array.isArray(root['users']) ? (root['users'] as readonly unknown[]) : []
  const found = users.find((entry) => isMapping(entry) && entry['name'] === user)
  const fields = isMapping(found) ? found['user'] : undefined
  const file = isMapping(fields) ? fields['tokenFile'] : undefined
  return typeof file === 'string' && file !== '' ? resolve(dirname(path), file) : undefined
}

function failure(access: ClusterAccess, reason: string, cause?: unknown): ProxyError {
  const subject = access.kind === 'kubeconfig' ? `kubeconfig ${access.path}` : 'in-cluster access'
  return new ProxyError('E_CONFIG', 'config', `${subject}: ${reason}`, cause)
}
