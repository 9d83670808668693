import { createRequire } from 'node:module'
import { endianness } from 'node:os'
import { messageOf } from '../errors.ts'
import type { Calls, ForeignLibrary } from './calls.ts'
import { bindCalls, withDirectBatches } from './calls.ts'
import type { Layout } from './layout.ts'
import { LAYOUTS } from './layout.ts'

/** The C library as one thread sees it. Not for sharing: `errno` is the loading thread's own. */
export interface Libc {
  /** For people: `glibc 2.36`, or `musl`. */
  readonly name: string
  readonly layout: Layout
  readonly calls: Calls
  /** One cell, the thread's `errno`. Valid only right after a call that returned -1. */
  readonly errno: Int32Array
  /** The memory at an address; nothing checks that it is ours, or still there. */
  view(address: number, bytes: number): ArrayBuffer
  /** Gives back what the allocator keeps of freed memory, of all threads; nothing where it cannot (musl keeps little). */
  trim(): void
}

/** Either the library, or why not: one line that names what was tried. */
export type LoadedLibc = { readonly libc: Libc } | { readonly libc: undefined; readonly reason: string }

/** The part of koffi that is used. */
export interface ForeignFunctions {
  load(path: string): ForeignLibrary
  view(address: number, bytes: number): ArrayBuffer
}

/** Where the program runs; tests put another place here. */
export interface LoadPlace {
  readonly platform: string
  readonly arch: string
  readonly endianness: string
  foreignFunctions(): ForeignFunctions
}

const HERE: LoadPlace = {
  platform: process.platform,
  arch: process.arch,
  endianness: endianness(),
  // By `require`, because it is synchronous and looked up only when somebody asks for it.
  foreignFunctions: () => createRequire(import.meta.url)('koffi') as ForeignFunctions,
}

/** Names under which the C library is found; musl knows itself by the first one too. */
const LIBRARIES: { readonly [arch: string]: readonly string[] } = {
  x64: ['libc.so.6', 'libc.musl-x86_64.so.1', '/lib/ld-musl-x86_64.so.1'],
  arm64: ['libc.so.6', 'libc.musl-aarch64.so.1', '/lib/ld-musl-aarch64.so.1'],
}

/** Loads the C library for the calling thread. Never throws; costs about 10 ms the first time in a thread. */
export function loadLibc(place: LoadPlace = HERE): LoadedLibc {
  if (place.platform !== 'linux') return { libc: undefined, reason: `the native engine needs Linux, this is "${place.platform}"` }
  const layout = (LAYOUTS as { readonly [arch: string]: Layout | undefined })[place.arch]
  if (!layout || place.endianness !== 'LE') {
    return { libc: undefined, reason: `no struct layouts for "${place.arch}" (${place.endianness}), only x64 and arm64 (LE)` }
  }
  let koffi: ForeignFunctions
  try {
    koffi = place.foreignFunctions()
  } catch (error) {
    return { libc: undefined, reason: `koffi does not load: ${firstLine(error)}` }
  }
  const tried: string[] = []
  for (const path of LIBRARIES[layout.arch] as readonly string[]) {
    try {
      return { libc: bind(koffi, koffi.load(path), layout) }
    } catch (error) {
      tried.push(`${path}: ${firstLine(error)}`)
    }
  }
  return { libc: undefined, reason: `no usable C library; tried ${tried.join('; ')}` }
}

function bind(koffi: ForeignFunctions, library: ForeignLibrary, layout: Layout): Libc {
  const calls = bindCalls(library)
  const errnoAddress = library.func('__errno_location', 'size_t', [])() as number
  const version = glibcVersion(library)
  return {
    name: version === undefined ? 'musl' : `glibc ${version}`,
    layout,
    calls: version === undefined ? withDirectBatches(calls, library, layout) : calls,
    errno: new Int32Array(koffi.view(errnoAddress, Int32Array.BYTES_PER_ELEMENT)),
    view: (address, bytes) => koffi.view(address, bytes),
    trim: version === undefined ? () => {} : trimOf(library),
  }
}

/** Looked up only when it is asked for, by the thread that does. */
function trimOf(library: ForeignLibrary): () => void {
  return () => void library.func('malloc_trim', 'int', ['size_t'])(0)
}

function glibcVersion(library: ForeignLibrary): string | undefined {
  try {
    return library.func('gnu_get_libc_version', 'str', [])() as string
  } catch {
    return undefined
  }
}

function firstLine(error: unknown): string {
  return messageOf(error).split('\n', 1)[0] as string
}
