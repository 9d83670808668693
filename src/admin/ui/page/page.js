import { ask, withQuery } from './ask.js'
import { createCharts } from './charts.js'
import { byId, say } from './dom.js'
import { portOf } from './endpoints.js'
import { createProblems, troublesOf } from './problems.js'
import { createServices } from './services.js'
import { createSessions } from './sessions.js'
import { showCount, showNumber, showSpan } from './words.js'

/** @import { Status } from '../../../model/status.ts' */
/** @import { HistoryAnswer } from '../sampler.ts' */

const POLL_MS = 2_000
/** Of a process for which an answer is work, no more than a twentieth of its time is taken. */
const SHARE = 20
const VIEWS = ['services', 'sessions', 'problems']

let mayWrite = false
/** The Service port whose charts are shown; undefined: all together.
 *  @type {string | undefined} */
let charted
/** @type {Status | undefined} */
let status
/** @type {HistoryAnswer | undefined} */
let history
let historyAtMs = 0
/** @type {ReturnType<typeof setTimeout> | undefined} */
let next
let busy = false
let tookMs = 0

const rights = () => mayWrite
const charts = createCharts()
const services = createServices({ rights, changed: () => void poll(), opened: chart })
const sessions = createSessions({ rights, visible: () => view() === 'sessions' })
const problems = createProblems({
  reveal(service) {
    location.hash = 'services'
    services.reveal(service)
  },
})

function view() {
  const named = location.hash.slice(1)
  return VIEWS.includes(named) ? named : 'services'
}

function showView() {
  for (const name of VIEWS) {
    const link = document.querySelector(`nav a[href="#${name}"]`)
    if (name === view()) link?.setAttribute('aria-current', 'page')
    else link?.removeAttribute('aria-current')
    byId(`${name}-view`).hidden = name !== view()
  }
  void sessions.refresh()
}

/** @param {string | undefined} service */
function chart(service) {
  charted = service
  say(byId('charts-title'), service ? portOf(service) : 'All services')
  byId('charts-all').hidden = service === undefined
  void readHistory().catch(fail)
}

async function readHistory() {
  historyAtMs = performance.now()
  const wanted = charted
  const answer = await ask(withQuery('/portald/v1/history', { service: wanted }))
  if (wanted !== charted) return
  history = answer
  charts.show(answer)
}

function draw() {
  if (!status) return
  services.show(status, history?.latest ?? {})
  const troubles = troublesOf(status)
  problems.show(troubles)
  const bad = troubles.some(({ tone }) => tone === 'bad')
  say(byId('services-count'), showCount(status.services.length))
  say(byId('sessions-count'), showCount(status.limits.sessions.active))
  say(byId('problems-count'), showCount(troubles.length), bad ? 'count bad' : 'count')
  say(byId('state'), status.state, `badge ${status.state === 'serving' ? 'good' : 'warn'}`)
  const upMs = Date.parse(status.time) - Date.parse(status.startedAt)
  const { engine, workers, version, pid } = status
  say(
    byId('facts'),
    `${version} for ${showSpan(upMs)}, ${engine.name} engine, ${showNumber(workers.length, 'worker')}, pid ${pid}${
      status.node.name ? `, on ${status.node.name}` : ''
    }`,
  )
}

/** Looks at everything that is shown, once. */
async function poll() {
  if (busy) return
  busy = true
  clearTimeout(next)
  const beganMs = performance.now()
  try {
    status = await ask('/portald/v1/status')
    tookMs = performance.now() - beganMs
    if (!history || history.times.length === 0 || performance.now() - historyAtMs >= history.intervalMs) await readHistory()
    draw()
    await sessions.refresh()
    byId('notice').hidden = true
  } catch (error) {
    fail(error)
  } finally {
    busy = false
    if (!document.hidden) next = setTimeout(() => void poll(), Math.max(POLL_MS, SHARE * tookMs))
  }
}

/** @param {unknown} error */
function fail(error) {
  const notice = byId('notice')
  notice.hidden = false
  say(notice, `${error instanceof Error ? error.message : error}; what is shown is old. Trying again.`)
}

async function begin() {
  try {
    mayWrite = (await ask('/portald/v1/caller')).mayWrite
    byId('rights').hidden = mayWrite
  } catch (error) {
    fail(error)
  }
  showView()
  await poll()
}

addEventListener('hashchange', showView)
document.addEventListener('visibilitychange', () => {
  if (document.hidden) clearTimeout(next)
  else void poll()
})
document.addEventListener('keydown', (event) => {
  const typing = event.target instanceof HTMLInputElement || document.querySelector('dialog[open]')
  if (event.key !== '/' || typing || event.ctrlKey || event.metaKey || event.altKey) return
  event.preventDefault()
  if (view() === 'sessions') sessions.focusFilter()
  else {
    location.hash = 'services'
    services.focusFilter()
  }
})
byId('charts-all').addEventListener('click', () => services.close())
void begin()
