import { createRequire } from 'node:module'

/** A document for machines, or for people who like to read those. */
export function showDocument(document: object, format: 'json' | 'yaml'): string {
  if (format === 'json') return JSON.stringify(document, undefined, 2)
  // Loaded here: nothing else that asks needs it.
  const { dump } = createRequire(import.meta.url)('js-yaml') as typeof import('js-yaml')
  // What is undefined has no name in YAML.
  return dump(JSON.parse(JSON.stringify(document)), { lineWidth: -1 })
}
