import { byId, h, Parts, say } from './dom.js'
import { portOf } from './endpoints.js'
import { showCount, showSpan } from './words.js'

/** @import { EndpointStatus, Status } from '../../../model/status.ts' */
/** @typedef {{ tone: 'bad' | 'warn', kind: string, what: string, more: string, service?: string | undefined }} Trouble */

const MOST_SHOWN = 200
/** A failure that is longer ago is history. */
const RECENT_MS = 5 * 60_000

/** Everything that somebody ought to look at, the worst first.
 *  @param {Status} status
 *  @returns {Trouble[]} */
export function troublesOf({ sources, problems, listeners, services, workers, time }) {
  /** @type {Trouble[]} */
  const found = []
  for (const { name, error, state } of sources) {
    if (state === 'failed') found.push({ tone: 'bad', kind: 'source', what: name, more: error ?? 'cannot be read' })
    if (state === 'loading') found.push({ tone: 'warn', kind: 'source', what: name, more: 'was not read yet' })
  }
  for (const { worker, state } of workers) {
    if (state === 'ended')
      found.push({ tone: 'bad', kind: 'worker', what: `worker ${worker}`, more: 'died; another takes its place' })
  }
  for (const { listener, service, state, reason } of listeners) {
    if (state === 'failed')
      found.push({ tone: 'bad', kind: 'listener', what: listener, more: reason ?? 'does not listen', service })
  }
  for (const { service, endpoints } of services) {
    const working = endpoints.filter(({ state }) => state === 'serving' || state === 'backup').length
    if (working === 0) {
      const more = endpoints.length === 0 ? 'it has no endpoints' : `none of its ${endpoints.length} endpoints gets new sessions`
      found.push({ tone: 'bad', kind: 'service', what: portOf(service), more, service })
    }
    for (const endpoint of endpoints) {
      const more = wrongWith(endpoint, time)
      if (more) found.push({ tone: 'warn', kind: 'endpoint', what: `${endpoint.endpoint} of ${portOf(service)}`, more, service })
    }
  }
  for (const { severity, place, object, field, value, message } of problems) {
    const more = [field, value, message].filter((part) => part !== '').join(': ')
    found.push({ tone: severity === 'error' ? 'bad' : 'warn', kind: severity, what: object || place, more: `${more} (${place})` })
  }
  return found.sort((a, b) => Number(a.tone === 'warn') - Number(b.tone === 'warn'))
}

/** @param {EndpointStatus} endpoint
 *  @param {string} time */
function wrongWith({ state, health, lastFailure }, time) {
  const nowMs = Date.parse(time)
  if (state === 'unhealthy') {
    const since = health ? ` for ${showSpan(nowMs - Date.parse(health.since))}` : ''
    return `unhealthy${since}${health?.reason ? `: ${health.reason}` : ''}`
  }
  if (state === 'not-ready') return 'not ready'
  if (!lastFailure) return undefined
  const agoMs = nowMs - Date.parse(lastFailure.at)
  return agoMs < RECENT_MS ? `${lastFailure.what} ${showSpan(agoMs)} ago` : undefined
}

/** Lists what is wrong.
 *  @param {{ reveal: (service: string) => void }} page */
export function createProblems({ reveal }) {
  const list = h('ul', { class: 'problems' })
  const parts = new Parts(list, makeLine)
  const nothing = h('p', { class: 'nothing' })
  byId('problems-view').append(h('div', { class: 'sheet' }, list, nothing))

  /** @param {Trouble} trouble */
  function makeLine({ tone, kind, what, service }) {
    const more = h('span', { class: 'under quiet' })
    const name = service
      ? h('button', { type: 'button', class: 'open', onclick: () => reveal(service) }, what)
      : h('span', {}, what)
    const node = h('li', {}, h('span', { class: `badge ${tone}` }, kind), h('div', { class: 'what' }, name, h('div', {}, more)))
    return {
      node,
      /** @param {Trouble} now */
      update: (now) => say(more, now.more),
    }
  }

  return {
    /** @param {readonly Trouble[]} troubles */
    show(troubles) {
      // The same may be said twice of one thing.
      const seen = new Map()
      for (const trouble of troubles) seen.set(`${trouble.kind} ${trouble.what} ${trouble.service ? '' : trouble.more}`, trouble)
      const some = [...seen.entries()].slice(0, MOST_SHOWN)
      const keys = new Map(some.map(([key, trouble]) => [trouble, key]))
      parts.show([...keys.keys()], (trouble) => keys.get(trouble))
      const hidden = seen.size - some.length
      nothing.hidden = seen.size > 0 && hidden === 0
      say(nothing, seen.size === 0 ? 'Nothing is wrong.' : `and ${showCount(hidden)} more`)
    },
  }
}
