import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sctpRefusal } from '../../src/listener/sctp/refusal.ts'
import { eventually } from './eventually.ts'
import { libc } from './native-engine.ts'
import { type Host, noNamespaces } from './net-lab.ts'
import { within } from './within.ts'

const SOURCE = join(import.meta.dirname, 'sctp-peer.c')

/** Builds the peer: where it is, or why it cannot be built here. */
export function buildSctpPeer(): { readonly program: string } | { readonly missing: string } {
  const program = join(mkdtempSync(join(tmpdir(), 'portald-sctp-')), 'sctp-peer')
  try {
    execFileSync('gcc', ['-O2', '-Wall', '-o', program, SOURCE, '-lusrsctp', '-lpthread'], { stdio: 'pipe' })
    return { program }
  } catch (error) {
    const said = String((error as { stderr?: unknown }).stderr ?? error).trim()
    return { missing: `needs gcc and libusrsctp-dev: ${said.split('\n')[0]}` }
  }
}

/** Why there can be no SCTP between namespaces here; undefined: there can. */
export function noSctpLab(): string | undefined {
  if (!libc) return 'needs the native engine'
  return noNamespaces ?? sctpRefusal(libc)
}

/** A peer that runs in a host of the lab, and what it says. */
export class SctpPeer implements AsyncDisposable {
  readonly #child: ChildProcess
  readonly #words: string
  readonly #exit: Promise<unknown>
  #text = ''

  private constructor(program: string, host: Host, words: readonly string[]) {
    this.#words = words.join(' ')
    this.#child = spawn('ip', ['netns', 'exec', host.namespace, program, ...words], { stdio: ['pipe', 'pipe', 'inherit'] })
    this.#exit = once(this.#child, 'close')
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#text += text
    })
  }

  static start(program: string, host: Host, ...words: readonly (string | number)[]): SctpPeer {
    return new SctpPeer(program, host, words.map(String))
  }

  /** Runs one to its end; the lines that it said. */
  static async run(program: string, host: Host, ...words: readonly (string | number)[]): Promise<string[]> {
    await using peer = SctpPeer.start(program, host, ...words)
    return await peer.ended()
  }

  lines(): string[] {
    return this.#text.split('\n').filter((line) => line !== '')
  }

  /** Waits until it has said a line. */
  async said(line: string): Promise<void> {
    await eventually(() => {
      if (!this.lines().includes(line)) throw new Error(`sctp-peer ${this.#words} has not said "${line}":\n${this.#text}`)
    })
  }

  /** Gives it an order. */
  tell(line: string): void {
    this.#child.stdin?.write(`${line}\n`)
  }

  /** Waits until it has ended; the lines that it said. */
  async ended(): Promise<string[]> {
    await within(`sctp-peer ${this.#words}, which said: ${this.#text}`, this.#exit)
    return this.lines()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.#exit
  }
}
