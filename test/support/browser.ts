import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { createInterface } from 'node:readline'
import { eventually } from './eventually.ts'
import { makeTemporaryFolder } from './temporary-folder.ts'

const CHROMIUM = 'chromium'

/** Why there is no browser to test with here, or undefined where there is one. */
export function whyNoBrowser(): string | undefined {
  const { error, status } = spawnSync(CHROMIUM, ['--version'], { stdio: 'ignore' })
  return error || status !== 0 ? `${CHROMIUM} does not run here (apt-get install chromium)` : undefined
}

export interface PageSize {
  readonly width: number
  readonly height: number
  readonly dark?: boolean
}

/** A browser without anything of its user; all of it ends when it is disposed. */
export interface Browser extends AsyncDisposable {
  openPage(): Promise<BrowserPage>
}

/** A page of a browser. */
export interface BrowserPage extends AsyncDisposable {
  /** Everything that went wrong in it: what its scripts threw, its console said, and its security policy stopped. */
  readonly complaints: readonly string[]
  open(url: string): Promise<void>
  resize(size: PageSize): Promise<void>
  /** Evaluates an expression in the page; what it gives must be plain data. */
  read<T>(expression: string): Promise<T>
  /** Presses a key, such as `Tab`, `Enter` or `a`. */
  press(key: string): Promise<void>
  /** Waits until an expression is true in the page. */
  until(expression: string): Promise<void>
  /** A picture of it, as PNG. */
  picture(): Promise<Buffer>
}

type Message = {
  readonly id?: number
  readonly sessionId?: string
  readonly method?: string
  readonly params?: Record<string, unknown>
  readonly result?: unknown
  readonly error?: { readonly message: string }
}

type Send = <T>(method: string, params?: object) => Promise<T>

/** Starts a browser. */
export async function openBrowser(): Promise<Browser> {
  await using stack = new AsyncDisposableStack()
  const folder = stack.use(makeTemporaryFolder())
  const child = spawn(
    CHROMIUM,
    [
      '--headless=new',
      '--no-sandbox',
      '--disable-gpu',
      '--disable-dev-shm-usage',
      '--no-first-run',
      '--remote-debugging-port=0',
      `--user-data-dir=${folder.path}`,
      'about:blank',
    ],
    { stdio: ['ignore', 'ignore', 'pipe'], detached: true },
  )
  stack.defer(() => endGroup(child))
  const socket = new WebSocket(await addressOf(child))
  stack.defer(() => socket.close())
  const waiting = new Map<number, (message: Message) => void>()
  const complaintsOf = new Map<string, string[]>()
  let sent = 0

  function send<T>(method: string, params: object = {}, sessionId?: string): Promise<T> {
    const id = ++sent
    socket.send(JSON.stringify({ id, method, params, sessionId }))
    return new Promise((resolve, reject) => {
      waiting.set(id, ({ result, error }) => (error ? reject(new Error(`${method}: ${error.message}`)) : resolve(result as T)))
    })
  }

  socket.addEventListener('message', ({ data }) => {
    const message = JSON.parse(String(data)) as Message
    if (message.id !== undefined) {
      waiting.get(message.id)?.(message)
      waiting.delete(message.id)
    } else {
      const complaint = complaintOf(message)
      if (complaint) complaintsOf.get(message.sessionId ?? '')?.push(complaint)
    }
  })
  await new Promise((resolve, reject) => {
    socket.addEventListener('open', resolve)
    socket.addEventListener('error', reject)
  })
  const held = stack.move()
  return {
    async openPage() {
      const { targetId } = await send<{ targetId: string }>('Target.createTarget', { url: 'about:blank', newWindow: true })
      const { sessionId } = await send<{ sessionId: string }>('Target.attachToTarget', { targetId, flatten: true })
      const complaints: string[] = []
      complaintsOf.set(sessionId, complaints)
      for (const domain of ['Page', 'Runtime', 'Log']) await send(`${domain}.enable`, {}, sessionId)
      return pageOf(
        (method, params) => send(method, params, sessionId),
        complaints,
        async () => {
          await send('Target.closeTarget', { targetId })
        },
      )
    },
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  }
}

function pageOf(send: Send, complaints: readonly string[], close: () => Promise<void>): BrowserPage {
  const page: BrowserPage = {
    complaints,
    async open(url) {
      const { errorText } = await send<{ errorText?: string }>('Page.navigate', { url })
      if (errorText) throw new Error(`${url}: ${errorText}`)
    },
    async resize({ width, height, dark = false }) {
      await send('Emulation.setDeviceMetricsOverride', { width, height, deviceScaleFactor: 1, mobile: width < 500 })
      const features = [{ name: 'prefers-color-scheme', value: dark ? 'dark' : 'light' }]
      await send('Emulation.setEmulatedMedia', { features })
    },
    async read<T>(expression: string) {
      const { result, exceptionDetails } = await send<{ result: { value: T }; exceptionDetails?: object }>('Runtime.evaluate', {
        expression,
        returnByValue: true,
        awaitPromise: true,
      })
      if (exceptionDetails) throw new Error(`${expression}: ${JSON.stringify(exceptionDetails)}`)
      return result.value
    },
    async press(key) {
      const text = key === 'Enter' ? '\r' : key.length === 1 ? key : undefined
      const codes: Record<string, number> = { Enter: 13, Tab: 9, Escape: 27, ArrowLeft: 37, ArrowRight: 39 }
      const code = codes[key] ?? key.toUpperCase().charCodeAt(0)
      const about = { key, windowsVirtualKeyCode: code, ...(text === undefined ? {} : { text }) }
      await send('Input.dispatchKeyEvent', { type: text === undefined ? 'rawKeyDown' : 'keyDown', ...about })
      await send('Input.dispatchKeyEvent', { type: 'keyUp', key, windowsVirtualKeyCode: code })
    },
    until: (expression) =>
      eventually(async () => {
        if (!(await page.read<boolean>(`Boolean(${expression})`))) throw new Error(`never: ${expression}`)
      }),
    async picture() {
      const { data } = await send<{ data: string }>('Page.captureScreenshot', { format: 'png' })
      return Buffer.from(data, 'base64')
    },
    [Symbol.asyncDispose]: close,
  }
  return page
}

function complaintOf({ method, params }: Message): string | undefined {
  if (method === 'Runtime.exceptionThrown') return `thrown: ${JSON.stringify(params)}`
  const { entry, type } = (params ?? {}) as { entry?: { level: string; text: string; url?: string }; type?: string }
  if (method === 'Log.entryAdded' && entry && entry.level !== 'verbose' && entry.level !== 'info')
    return `${entry.level}: ${entry.text} ${entry.url ?? ''}`
  return method === 'Runtime.consoleAPICalled' && type !== 'log' ? `console: ${JSON.stringify(params)}` : undefined
}

/** Where it can be told what to do: it says so in a line of its own. */
async function addressOf({ stderr }: ChildProcess): Promise<string> {
  if (!stderr) throw new Error('the browser has no output')
  let said = ''
  for await (const line of createInterface({ input: stderr })) {
    const [, url] = /^DevTools listening on (ws:.*)$/.exec(line) ?? []
    if (url) {
      stderr.resume()
      return url
    }
    said += `${line}\n`
  }
  throw new Error(`the browser ended:\n${said}`)
}

/** It has a dozen processes; all are in the group that it leads. */
async function endGroup(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.pid === undefined) return
  const gone = new Promise((resolve) => child.once('close', resolve))
  process.kill(-child.pid, 'SIGKILL')
  await gone
}
