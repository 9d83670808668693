import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import { request } from 'node:https'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { eventually } from '../support/eventually.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'

const CACHE = process.env['PORTALD_TEST_CACHE'] ?? join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'portald')
const BIN = join(CACHE, 'kubernetes')

/** Why there is no real cluster here; undefined: there is. */
export const missing: string | undefined = ['kube-apiserver', 'kube-controller-manager', 'etcd', 'kubectl'].every((name) =>
  existsSync(join(BIN, name)),
)
  ? undefined
  : `needs a real API server: test/real/build-kubernetes.sh builds one in ${CACHE}`

type Program = 'etcd' | 'kube-apiserver' | 'kube-controller-manager'

/** A real etcd and kube-apiserver on one loopback address, and a controller-manager where a test starts it. ClusterIPs are on
 *  loopback, too. Disposing ends the processes and forgets everything. */
export class RealCluster implements AsyncDisposable {
  readonly folder: string
  readonly #ip: string
  readonly #range: string
  readonly #temporary = makeTemporaryFolder()
  readonly #running = new Map<Program, ChildProcess>()

  private constructor(ip: string, range: string) {
    this.#ip = ip
    this.#range = range
    this.folder = this.#temporary.path
  }

  /** Starts one; resolves when it is ready. */
  static async open(ip: string, range: string): Promise<RealCluster> {
    const cluster = new RealCluster(ip, range)
    const path = (name: string) => join(cluster.folder, name)
    mkdirSync(path('certs'))
    execFileSync('openssl', ['genrsa', '-out', path('key.pem'), '2048'], { stdio: 'ignore' })
    writeFileSync(path('tokens.csv'), 'admin-token,admin,1,"system:masters"\nportald-token,portald,2\n')
    cluster.start('etcd')
    cluster.start('kube-apiserver')
    await cluster.ready()
    writeFileSync(path('admin'), cluster.kubeconfig('admin-token'))
    return cluster
  }

  /** A kubeconfig that trusts the server's own certificate, or another one. */
  kubeconfig(token: string, authority = join(this.folder, 'certs/apiserver.crt')): string {
    return JSON.stringify({
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': 'real',
      contexts: [{ name: 'real', context: { cluster: 'real', user: 'real' } }],
      clusters: [{ name: 'real', cluster: { server: `https://${this.#ip}:6443`, 'certificate-authority': authority } }],
      users: [{ name: 'real', user: { token } }],
    })
  }

  /** Starts a program that does not run. */
  start(program: Program): void {
    const log = openSync(join(this.folder, `${program}.log`), 'a')
    const child = spawn(join(BIN, program), this.#arguments(program), { stdio: ['ignore', log, log] })
    this.#running.set(program, child)
  }

  /** Resolves when the server answers that it is ready. */
  async ready(): Promise<void> {
    await eventually(() => this.kubectl(['get', '--raw', '/readyz']), { patienceMs: 60_000 })
  }

  signal(program: Program, signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.#running.get(program)?.kill(signal)
  }

  /** Ends a program without giving it time for anything. */
  async kill(program: Program): Promise<void> {
    const child = this.#running.get(program)
    this.#running.delete(program)
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGKILL')
    await once(child, 'exit')
  }

  /** Runs kubectl as the cluster's administrator; returns what it prints, throws what it says is wrong. */
  kubectl(args: readonly string[], input?: string): string {
    const env = { HOME: this.folder, KUBECONFIG: join(this.folder, 'admin') }
    if (!existsSync(env.KUBECONFIG)) writeFileSync(env.KUBECONFIG, this.kubeconfig('admin-token'))
    const out = execFileSync(join(BIN, 'kubectl'), args, { env, input: input ?? '', stdio: ['pipe', 'pipe', 'pipe'] })
    return out.toString('utf8')
  }

  /** Runs kubectl beside whatever else the test does. */
  async kubectlBeside(args: readonly string[], input: string): Promise<void> {
    const env = { HOME: this.folder, KUBECONFIG: join(this.folder, 'admin') }
    const child = spawn(join(BIN, 'kubectl'), args, { env, stdio: ['pipe', 'ignore', 'ignore'] })
    child.stdin.end(input)
    const [code] = (await once(child, 'exit')) as [number | null]
    if (code !== 0) throw new Error(`kubectl ${args.join(' ')} ended with ${code}`)
  }

  /** Creates objects or changes them. */
  apply(...objects: readonly object[]): void {
    this.kubectl(['apply', '-f', '-'], JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }))
  }

  get(...what: readonly string[]): Record<string, unknown> {
    return JSON.parse(this.kubectl(['get', ...what, '-o', 'json'])) as Record<string, unknown>
  }

  /** Writes the status of an object, as a kubelet would. */
  async patchStatus(object: string, status: object): Promise<void> {
    const path = `/api/v1/namespaces/default/${object}/status`
    const ca = readFileSync(join(this.folder, 'certs/apiserver.crt'))
    const headers = { authorization: 'Bearer admin-token', 'content-type': 'application/merge-patch+json' }
    const asking = request(`https://${this.#ip}:6443${path}`, { method: 'PATCH', ca, headers })
    asking.end(JSON.stringify({ status }))
    const [response] = (await once(asking, 'response')) as [IncomingMessage]
    response.resume()
    if (response.statusCode !== 200) throw new Error(`${object}: ${response.statusCode}`)
  }

  /** Makes etcd forget every revision but the last one. */
  async compact(): Promise<void> {
    const { header } = (await this.#etcd('/v3/kv/range', { key: btoa('/'), limit: 1 })) as { header: { revision: string } }
    await this.#etcd('/v3/kv/compaction', { revision: header.revision, physical: true })
  }

  /** What a program has said. */
  log(program: Program): string {
    return readFileSync(join(this.folder, `${program}.log`), 'utf8')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const program of [...this.#running.keys()].reverse()) await this.kill(program)
    this.#temporary[Symbol.dispose]()
  }

  async #etcd(path: string, body: object): Promise<unknown> {
    const response = await fetch(`http://${this.#ip}:2379${path}`, { method: 'POST', body: JSON.stringify(body) })
    return await response.json()
  }

  #arguments(program: Program): readonly string[] {
    const path = (name: string) => join(this.folder, name)
    if (program === 'etcd') {
      const [client, peer] = [`http://${this.#ip}:2379`, `http://${this.#ip}:2380`]
      return [
        `--data-dir=${path('etcd')}`,
        `--listen-client-urls=${client}`,
        `--advertise-client-urls=${client}`,
        `--listen-peer-urls=${peer}`,
        `--initial-advertise-peer-urls=${peer}`,
        `--initial-cluster=default=${peer}`,
        '--unsafe-no-fsync',
      ]
    }
    if (program === 'kube-controller-manager') {
      return [
        `--kubeconfig=${path('admin')}`,
        '--controllers=endpoint,endpointslice,endpointslicemirroring,namespace,serviceaccount',
        '--leader-elect=false',
        `--bind-address=${this.#ip}`,
        '--port=0',
        `--cert-dir=${path('certs')}`,
      ]
    }
    return [
      `--etcd-servers=http://${this.#ip}:2379`,
      `--bind-address=${this.#ip}`,
      `--advertise-address=${this.#ip}`,
      '--secure-port=6443',
      '--insecure-port=0',
      `--cert-dir=${path('certs')}`,
      `--service-cluster-ip-range=${this.#range}`,
      `--service-account-issuer=https://${this.#ip}`,
      `--service-account-signing-key-file=${path('key.pem')}`,
      `--service-account-key-file=${path('key.pem')}`,
      '--authorization-mode=RBAC',
      '--anonymous-auth=false',
      `--token-auth-file=${path('tokens.csv')}`,
      '--endpoint-reconciler-type=none',
      '--disable-admission-plugins=ServiceAccount',
      '--allow-privileged=true',
    ]
  }
}
