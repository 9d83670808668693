import { constants, X509Certificate } from 'node:crypto'
import type { RequestListener } from 'node:http'
import type { Server, ServerOptions } from 'node:https'
import type { TLSSocket } from 'node:tls'
import { ReloadedFiles, type ReloadedFilesOptions } from './reloaded-files.ts'

interface Material {
  readonly cert: Buffer
  readonly key: Buffer
  readonly ca: Buffer | undefined
  readonly certificate: X509Certificate
}

export interface AdminTlsOptions extends Omit<ReloadedFilesOptions<Material>, 'paths' | 'parse'> {
  readonly certPath: string
  readonly keyPath: string
  /** Of the authority that signs client certificates; undefined: they are not asked for. */
  readonly clientCaPath: string | undefined
}

const HANDSHAKE_MS = 10_000

/** TLS with files that may change while it is used; connections that stand go on. */
export interface AdminTls {
  createServer(limits: ServerOptions, handle: RequestListener): Promise<Server>
  /** Whether the certificate is for this name. */
  isOurName(name: string): boolean
  /** The name in the client certificate of a connection; undefined: none, or not signed by the authority there is now. */
  certificateName(socket: TLSSocket): string | undefined
}

/** Reads the files.
 *  @throws ProxyError E_ADMIN when they cannot be used. */
export async function openAdminTls({ certPath, keyPath, clientCaPath, ...rest }: AdminTlsOptions): Promise<AdminTls> {
  const { createSecureContext } = await import('node:tls')
  const paths = [certPath, keyPath, ...(clientCaPath === undefined ? [] : [clientCaPath])]
  const files = new ReloadedFiles<Material>({
    ...rest,
    paths,
    parse([cert, key, ca]) {
      const material = { cert: cert as Buffer, key: key as Buffer, ca }
      // It says what does not fit together.
      createSecureContext(contextOf(material))
      return { ...material, certificate: new X509Certificate(material.cert) }
    },
  })
  /** With which files a connection was made. */
  const generations = new WeakMap<TLSSocket, number>()

  return {
    async createServer(limits, handle) {
      const https = await import('node:https')
      let generation = files.generation
      const requestCert = clientCaPath !== undefined
      const asked = { requestCert, rejectUnauthorized: false, handshakeTimeout: HANDSHAKE_MS, minVersion: 'TLSv1.2' } as const
      const server = https.createServer({ ...limits, ...asked, ...contextOf(files.value) }, handle)
      // Before the server's own listener, which takes the context that is there.
      server.prependListener('connection', () => {
        if (files.generation === generation) return
        generation = files.generation
        server.setSecureContext({ ...contextOf(files.value), minVersion: asked.minVersion })
      })
      server.on('secureConnection', (socket) => generations.set(socket, generation))
      // A handshake that fails is the client's affair.
      server.on('tlsClientError', (_error, socket) => socket.destroy())
      return server
    },
    isOurName: (name) => files.value.certificate.checkHost(name) !== undefined,
    certificateName(socket) {
      if (!socket.authorized || generations.get(socket) !== files.generation) return undefined
      const { CN } = socket.getPeerCertificate().subject ?? {}
      return typeof CN === 'string' && CN !== '' ? CN : undefined
    },
  }
}

function contextOf({ cert, key, ca }: Omit<Material, 'certificate'>) {
  // Without tickets nobody comes back with what an earlier authority said.
  return { cert, key, ...(ca ? { ca } : {}), secureOptions: constants.SSL_OP_NO_TICKET }
}
