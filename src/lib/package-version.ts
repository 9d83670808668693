import { readFileSync } from 'node:fs'

/** The version in our own `package.json`, from the sources and from the build alike. */
export function readPackageVersion(): string {
  const path = import.meta.url.endsWith('.ts') ? '../../package.json' : '../package.json'
  const { version } = JSON.parse(readFileSync(new URL(path, import.meta.url), 'utf8')) as { version: string }
  return version
}
