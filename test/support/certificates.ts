import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** A key and its certificate, as files and as texts. */
export interface Certificate {
  readonly certPath: string
  readonly keyPath: string
  readonly cert: string
  readonly key: string
}

/** Makes an authority, or a certificate signed by one, with openssl. */
export function makeCertificate(
  folder: string,
  name: string,
  options: { readonly by?: Certificate; readonly names?: string } = {},
): Certificate {
  const [certPath, keyPath] = [join(folder, `${name}.crt`), join(folder, `${name}.key`)]
  const { by, names } = options
  const signed = by ? ['-CA', by.certPath, '-CAkey', by.keyPath] : []
  const extensions = names ? ['-addext', `subjectAltName=${names}`] : []
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', keyPath]
  const usage = by ? ['-addext', 'basicConstraints=CA:FALSE'] : []
  execFileSync(
    'openssl',
    ['req', '-x509', ...key, '-out', certPath, '-days', '2', '-subj', `/CN=${name}`, ...signed, ...extensions, ...usage],
    { stdio: 'pipe' },
  )
  return { certPath, keyPath, cert: readFileSync(certPath, 'utf8'), key: readFileSync(keyPath, 'utf8') }
}
