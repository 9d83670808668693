import { writeFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { type Browser, type BrowserPage, openBrowser, whyNoBrowser } from '../support/browser.ts'
import { type RunningCommand, startCommand } from '../support/command.ts'
import { eventually } from '../support/eventually.ts'
import { askName, connectNamed, type NamedServer, openNamedServer } from '../support/named-servers.ts'
import { listObjects } from '../support/one-service.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'

const IP = '127.138.0.1'
const ROW = `document.querySelector('#services [data-service="default/web:/TCP"]')`
const DESK = { width: 1280, height: 860 }
const PHONE = { width: 390, height: 844 }

interface UiWorld extends AsyncDisposable {
  readonly servers: readonly NamedServer[]
  readonly portald: RunningCommand
  readonly url: string
}

/** A portald with `default/web` on two servers and a Service without endpoints, and more Services if wanted. */
async function openUiWorld(
  port: number,
  { net = 0, more = 0, flags = [] }: { net?: number; more?: number; flags?: readonly string[] } = {},
): Promise<UiWorld> {
  await using stack = new AsyncDisposableStack()
  const folder = stack.use(makeTemporaryFolder())
  const servers = [stack.use(await openNamedServer('one')), stack.use(await openNamedServer('two'))]
  const list = JSON.parse(
    listObjects(
      `127.138.${net}.1`,
      servers.map((server) => server.port),
    ),
  ) as { items: object[] }
  const names = ['lonely', ...Array.from({ length: more }, (_, n) => `more-${n}`)]
  for (const [n, name] of names.entries()) {
    const clusterIP = `127.138.${net + 1 + (n >> 8)}.${n & 255}`
    list.items.push({ apiVersion: 'v1', kind: 'Service', metadata: { name }, spec: { clusterIP, ports: [{ port: 8080 }] } })
  }
  const path = join(folder.path, 'services.json')
  writeFileSync(path, JSON.stringify(list))
  const off = ['--state-dir', folder.path, '--metrics-bind-address', '', '--healthz-bind-address', '', '--engine', 'node']
  const admin = ['--admin', `127.0.0.1:${port}`]
  const portald = stack.use(startCommand(['--file', path, '--allow-loopback-endpoints', ...admin, ...off, ...flags]))
  await portald.event('admin.opened')
  await portald.event('proxy.ready')
  const held = stack.move()
  return { servers, portald, url: `http://127.0.0.1:${port}/ui/`, [Symbol.asyncDispose]: () => held.disposeAsync() }
}

let browser: Browser
/** What most tests look at, and leave as it was. */
let world: UiWorld

async function openPage(world: UiWorld, { hash = '', size = DESK }: { hash?: string; size?: typeof DESK } = {}) {
  const page = await browser.openPage()
  await page.resize(size)
  await page.open(`${world.url}${hash}`)
  return page
}

const click = (page: BrowserPage, selector: string) => page.read(`document.querySelector(${JSON.stringify(selector)}).click()`)
const type = (page: BrowserPage, selector: string, text: string) =>
  page.read(`(() => {
    const input = document.querySelector(${JSON.stringify(selector)})
    input.value = ${JSON.stringify(text)}
    input.dispatchEvent(new Event('input'))
  })()`)
/** However it ends: a killed session sees a reset. */
const closed = (socket: Socket) => new Promise((resolve) => socket.once('close', resolve))
const sideways = (page: BrowserPage) => page.read<boolean>('document.documentElement.scrollWidth > innerWidth')
const brightness = (page: BrowserPage) =>
  page.read<number>(`getComputedStyle(document.body).backgroundColor.match(/\\d+/g).slice(0, 3).reduce((a, b) => a + +b, 0) / 3`)

const missing = whyNoBrowser()

describe.skipIf(missing !== undefined)(`the page in a browser${missing ? `: ${missing}` : ''}`, () => {
  beforeAll(async () => {
    browser = await openBrowser()
    world = await openUiWorld(21381)
    return async () => {
      await browser[Symbol.asyncDispose]()
      await world[Symbol.asyncDispose]()
    }
  })

  it('asks before it drains, then does, and puts back', async () => {
    const [one, two] = world.servers as [NamedServer, NamedServer]
    await using page = await openPage(world)
    await page.until(ROW)
    await click(page, `[data-service="default/web:/TCP"] button.open`)
    const row = `[data-endpoint="127.0.0.1:${one.port}"]`
    const drain = `${row} .actions button:last-child`
    await page.until(`document.querySelector('${drain}')`)
    await click(page, drain)
    await page.until(`document.querySelector('dialog[open]')?.textContent.includes('Drain 127.0.0.1:${one.port}?')`)
    // Whoever presses a key without reading has done nothing.
    await page.press('Enter')
    await page.until(`!document.querySelector('dialog')`)
    expect(new Set([await askName(IP, 8080), await askName(IP, 8080)]).size).toBe(2)

    await click(page, drain)
    await click(page, 'dialog [data-go]')
    await page.until(`document.querySelector('${row}').textContent.includes('drained')`)
    for (let n = 0; n < 4; n++) expect(await askName(IP, 8080)).toBe(two.name)
    await click(page, drain)
    await click(page, 'dialog [data-go]')
    await page.until(`document.querySelector('${row}').textContent.includes('serving')`)
    expect(new Set([await askName(IP, 8080), await askName(IP, 8080)]).size).toBe(2)
    expect(page.complaints).toEqual([])
  })

  it('ends the sessions that match, and no other', async () => {
    const sockets = (await Promise.all([1, 2, 3].map(() => connectNamed(IP, 8080)))).map(({ socket }) => socket)
    const [first, second, third] = sockets as [Socket, Socket, Socket]
    await using page = await openPage(world, { hash: '#sessions' })
    await page.until(`document.querySelectorAll('#sessions tbody tr').length === 3`)
    const row = (port: number | undefined) =>
      `[...document.querySelectorAll('#sessions tbody tr')].find((row) => row.children[2].textContent === '127.0.0.1:${port}')`
    const over = closed(second)
    await page.read(`${row(second.localPort)}.querySelector('button').click()`)
    await click(page, 'dialog [data-go]')
    await over
    await page.until(`document.querySelectorAll('#sessions tbody tr').length === 2`)

    await type(page, 'input[name=client]', 'nonsense')
    await page.until(`document.querySelector('#sessions-view .wrong').textContent.includes('client: "nonsense": must be')`)
    await type(page, 'input[name=client]', '192.0.2.0/24')
    await page.until(`document.querySelectorAll('#sessions tbody tr').length === 0`)
    await type(page, 'input[name=client]', '127.0.0.0/8')
    await page.until(`document.querySelectorAll('#sessions tbody tr').length === 2`)
    const ended = Promise.all([closed(first), closed(third)])
    await click(page, '#sessions-view .bar .danger')
    await page.until(`document.querySelector('dialog').textContent.includes('End 2 sessions?')`)
    await click(page, 'dialog [data-go]')
    await ended
    // The browser tells its console of an answer that says no.
    expect(page.complaints.filter((line) => !line.includes('400 (Bad Request)'))).toEqual([])
  })

  it('shows Services, charts, sessions and problems, and breaks none of its own rules', async () => {
    await using page = await openPage(world)
    await page.until(`${ROW}?.textContent.includes('2/2')`)
    await page.until(`document.querySelectorAll('#charts svg').length === 4`)
    for (let n = 0; n < 6; n++) await askName(IP, 8080)
    const { socket } = await connectNamed(IP, 8080)
    await page.until(`${ROW}.querySelectorAll('td')[2].textContent === '1'`)
    await page.until(`document.querySelector('#charts svg .a').getAttribute('d').includes('M')`)
    await page.read(`location.hash = 'sessions'`)
    await page.until(`document.querySelectorAll('#sessions tbody tr').length === 1`)
    expect(await page.read(`document.querySelector('#sessions tbody').textContent`)).toContain(`${socket.localPort}`)
    await page.read(`location.hash = 'problems'`)
    await page.until(`document.querySelector('#problems-view').textContent.includes('it has no endpoints')`)
    socket.destroy()
    expect(page.complaints).toEqual([])
    // That silence means something: both are complained of.
    await page.read(`document.body.setAttribute('style', 'color: red'), fetch('http://127.0.0.1:1/').catch(() => {})`)
    await eventually(() => expect(page.complaints.join()).toMatch(/style-src[\s\S]*connect-src/))
  })

  it('offers nothing to do where nothing may be done, and shows what the server refuses', async () => {
    await using world = await openUiWorld(21384, { net: 10, flags: ['--admin-read-only'] })
    await using page = await openPage(world)
    await page.until(`${ROW} && !document.querySelector('#rights').hidden`)
    await click(page, `[data-service="default/web:/TCP"] button.open`)
    await page.until(`document.querySelector('[data-endpoint] .actions button:last-child')?.disabled`)
    // Rights may go while a page is open.
    await page.read(`import('./ask.js').then(({ confirmThen }) => void confirmThen({
      title: 'Drain?', text: '', button: 'Drain', method: 'PUT', path: '/portald/v1/drain?service=default/web', done: () => '',
    }))`)
    await click(page, 'dialog [data-go]')
    await page.until(`document.querySelector('dialog .wrong').textContent.includes('takes no changes')`)
  })

  it('stays usable with a thousand Services', async () => {
    await using world = await openUiWorld(21385, { net: 20, more: 1_000 })
    await using page = await openPage(world)
    await page.until(`document.querySelectorAll('#services tbody').length === 50`)
    expect(await page.read(`document.querySelector('#services-view .bar').textContent`)).toContain('1–50 of 1,002 Service ports')
    await page.press('/')
    await page.until(`document.activeElement.id === 'services-filter'`)
    for (const key of 'more-77') await page.press(key)
    await page.until(`document.querySelectorAll('#services tbody').length === 11`)
    await type(page, '#services-filter', '127.138.20.1:8080')
    await page.until(`document.querySelectorAll('#services tbody').length === 1 && ${ROW}`)
    await type(page, '#services-filter', 'no such thing')
    await page.until(`document.querySelector('#services-view .nothing').textContent === 'No Service has this text.'`)
  })

  it('is light or dark as the reader likes it, and fits a phone', async () => {
    await using page = await openPage(world)
    await page.until(ROW)
    expect(await brightness(page)).toBeGreaterThan(200)
    await page.resize({ ...DESK, dark: true })
    expect(await brightness(page)).toBeLessThan(60)
    const { socket } = await connectNamed(IP, 8080)
    for (const width of [PHONE.width, 320]) {
      await page.resize({ ...PHONE, width })
      await page.read(`location.hash = 'services'`)
      if (width === PHONE.width) await click(page, `[data-service="default/web:/TCP"] button.open`)
      await page.until(`document.querySelector('[data-endpoint]')`)
      expect(await sideways(page)).toBe(false)
      await page.read(`location.hash = 'sessions'`)
      await page.until(`document.querySelectorAll('#sessions tbody tr').length === 1`)
      expect(await sideways(page)).toBe(false)
      await page.read(`location.hash = 'problems'`)
      expect(await sideways(page)).toBe(false)
    }
    socket.destroy()
  })

  it('says so when portald is gone', async () => {
    await using world = await openUiWorld(21387, { net: 30 })
    await using page = await openPage(world)
    await page.until(ROW)
    await world.portald[Symbol.asyncDispose]()
    await page.until(`document.querySelector('#notice').textContent.includes('portald does not answer')`)
  })
})
