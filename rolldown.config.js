import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { defineConfig } from 'rolldown'

/** The folder of an npm package that a module lies in. */
const PACKAGE = /^.*[\\/]node_modules[\\/](?:@[^\\/]+[\\/])?[^\\/]+/

const PAGE = join(import.meta.dirname, 'src/admin/ui/page')

/** Puts the licences of everything that was bundled beside it: they ask for that. */
const licences = {
  name: 'licences',
  generateBundle(_options, bundle) {
    const modules = Object.values(bundle).flatMap((chunk) => (chunk.type === 'chunk' ? Object.keys(chunk.modules) : []))
    const folders = new Set(modules.flatMap((id) => PACKAGE.exec(id.replace(/^\0/, ''))?.[0] ?? []))
    const source = [...folders].sort().map(licenceOf).join('\n\n')
    this.emitFile({ type: 'asset', fileName: 'licences.txt', source })
  },
}

function licenceOf(folder) {
  const { name, version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry))
  const text = file && existsSync(join(folder, file)) ? readFileSync(join(folder, file), 'utf8').trim() : ''
  return `${name} ${version} (${license})\n\n${text}`
}

/** Puts the files of the page beside the code that serves them, as they are. */
const page = {
  name: 'page',
  generateBundle() {
    for (const name of readdirSync(PAGE)) {
      if (/\.(?:html|css|js|svg)$/.test(name)) {
        this.emitFile({ type: 'asset', fileName: `page/${name}`, source: readFileSync(join(PAGE, name)) })
      }
    }
  },
}

/** A start that reads a few files instead of some hundreds takes two thirds of the time, and 15 MB less of memory. The
 *  entries besides the program and the library are threads. */
export default defineConfig({
  input: {
    main: 'src/main.ts',
    library: 'src/library.ts',
    'parse-worker': 'src/source/parse-worker.ts',
    'native-worker': 'src/runtime/native-worker.ts',
    'store-worker': 'src/store/store-worker.ts',
    'cluster-worker': 'src/source/cluster/cluster-worker.ts',
  },
  platform: 'node',
  // Binaries find themselves by where they lie.
  external: ['koffi', 'fsevents', 'pino-pretty'],
  plugins: [licences, page],
  output: { dir: 'dist', format: 'esm', entryFileNames: '[name].js', chunkFileNames: '[name].js', cleanDir: true },
  transform: { target: 'es2023' },
})
