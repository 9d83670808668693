import { confirmThen, withQuery } from './ask.js'
import { breakable, h, Parts, say } from './dom.js'
import { showNumber, showSize, showSpan } from './words.js'

/** @import { EndpointStatus, ServiceStatus, Status } from '../../../model/status.ts' */
/** @typedef {{ endpoint: EndpointStatus, service: string, status: Status }} Line */

/** @type {Readonly<Record<string, string>>} */
const TONES = {
  serving: 'good',
  backup: 'plain',
  draining: 'warn',
  drained: 'warn',
  'no-weight': 'warn',
  unhealthy: 'bad',
  'not-ready': 'bad',
  terminating: 'warn',
  removed: 'warn',
}

const HEADS = [
  ['Endpoint', ''],
  ['State', ''],
  ['Weight', 'n wide'],
  ['Active', 'n'],
  ['Total', 'n wide'],
  ['Failed', 'n wide'],
  ['Last failure', 'wide'],
]

/** Shows the endpoints of a Service port, and what can be done to them.
 *  @param {{ rights: () => boolean, changed: () => void }} page */
export function endpointTable({ rights, changed }) {
  const heads = HEADS.map(([label = '', className = '']) => h('th', { scope: 'col', class: className }, label))
  const body = h('tbody')
  const parts = new Parts(body, makeLine)
  const table = h('table', {}, h('thead', {}, h('tr', {}, ...heads, h('th', { class: 'actions' }))), body)
  const ends = h('p', { class: 'ends' })
  const node = h('div', {}, table, ends)

  /** @param {Line} first */
  function makeLine(first) {
    const name = first.endpoint.endpoint
    let now = first
    const badge = h('span')
    const why = h('span', { class: 'under' })
    const failed = h('span', { class: 'under narrow' })
    const place = h('span', { class: 'under' })
    const [weight, active, total, failures] = ['n wide', 'n', 'n wide', 'n wide'].map((className) =>
      h('td', { class: className }),
    )
    const last = h('td', { class: 'wide' })
    const drain = h('button', { type: 'button', onclick: () => void act(isOut(now.endpoint) ? 'undrain' : 'drain') }, 'Drain')
    const finish = h('button', { type: 'button', class: 'danger', onclick: () => void act('finish') }, 'End sessions')
    const numbers = /** @type {HTMLElement[]} */ ([weight, active, total, failures])
    const row = h(
      'tr',
      { 'data-endpoint': name },
      h('td', { class: 'name' }, ...breakable(name), place),
      h('td', {}, badge, why, failed),
      ...numbers,
      last,
      h('td', { class: 'actions' }, finish, ' ', drain),
    )

    /** @param {'drain' | 'undrain' | 'finish'} what */
    async function act(what) {
      await confirmThen(questionOf(what, now))
      changed()
    }

    return {
      node: row,
      /** @param {Line} line */
      update(line) {
        now = line
        const { endpoint, status } = line
        say(badge, endpoint.state, `badge ${TONES[endpoint.state] ?? 'plain'}`)
        say(why, reasonOf(endpoint, status.time))
        say(place, [endpoint.node, endpoint.zone].filter(Boolean).join(', '))
        const { weight: weights, sessions, failures, lastFailure } = endpoint
        const texts = [
          weights.now === weights.given ? `${weights.given}` : `${showSize(weights.now)} of ${weights.given}`,
          showSize(sessions.active),
          showSize(sessions.total),
          showSize(failures.refused + failures.timedOut + failures.resets),
        ]
        for (const [n, cell] of numbers.entries()) say(cell, texts[n] ?? '')
        const lately = lastFailure ? `${lastFailure.what}, ${showSpan(ageMs(lastFailure.at, status.time))} ago` : ''
        say(last, lately || '–')
        say(failed, lately)
        const out = isOut(endpoint)
        say(drain, out ? 'Put back' : 'Drain')
        drain.hidden = endpoint.state === 'removed'
        finish.hidden = endpoint.state !== 'draining'
        drain.disabled = finish.disabled = !rights()
        drain.title = finish.title = rights() ? '' : 'You may look, and change nothing.'
      },
    }
  }

  return {
    node,
    /** @param {{ service: ServiceStatus, status: Status }} line */
    update({ service, status }) {
      const lines = service.endpoints.map((endpoint) => ({ endpoint, service: service.service, status }))
      parts.show(lines, ({ endpoint }) => endpoint.endpoint)
      table.hidden = lines.length === 0
      const ended = Object.entries(service.ends).map(([end, count]) => `${end} ${showSize(count)}`)
      say(
        ends,
        `${lines.length === 0 ? 'No endpoints. ' : ''}Scheduler ${service.scheduler}. ${
          ended.length > 0 ? `Sessions that ended: ${ended.join(', ')}.` : 'No session has ended yet.'
        }`,
      )
    },
  }
}

/** @param {EndpointStatus} endpoint */
function isOut({ state, weight }) {
  return state === 'draining' || state === 'drained' || weight.set === 0
}

/** @param {EndpointStatus} endpoint
 *  @param {string} time */
function reasonOf({ health, since, slowStart, state }, time) {
  const parts = []
  if (health && health.state !== 'up') parts.push(`${health.reason ?? health.state}, for ${showSpan(ageMs(health.since, time))}`)
  else if (since && state !== 'serving') parts.push(`for ${showSpan(ageMs(since, time))}`)
  if (slowStart !== undefined) parts.push(`slow start ${Math.round(slowStart * 100)} %`)
  return parts.join('; ')
}

/** @param {string} then
 *  @param {string} now */
function ageMs(then, now) {
  return Date.parse(now) - Date.parse(then)
}

/** @param {'drain' | 'undrain' | 'finish'} what
 *  @param {Line} line
 *  @returns {import('./ask.js').Action} */
function questionOf(what, { endpoint, service }) {
  const name = endpoint.endpoint
  const port = portOf(service)
  const query = { service: port, endpoint: name }
  const runs = showNumber(endpoint.sessions.active, 'session')
  if (what === 'undrain') {
    return {
      title: `Put ${name} back?`,
      text: `New sessions of ${port} go to it again.`,
      button: 'Put back',
      method: 'DELETE',
      path: withQuery('/portald/v1/drain', query),
      done: () => `${name} is back.`,
    }
  }
  if (what === 'finish') {
    return {
      title: `End what runs on ${name}?`,
      text: `${runs} of ${port} will be cut. Clients see a reset.`,
      button: 'End sessions',
      method: 'POST',
      path: withQuery('/portald/v1/drain/finish', query),
      done: ({ killed }) => `${showNumber(killed, 'session')} ended.`,
    }
  }
  return {
    title: `Drain ${name}?`,
    text: `No new session of ${port} goes there until it is put back. ${goOn(endpoint.sessions.active)}`,
    button: 'Drain',
    method: 'PUT',
    path: withQuery('/portald/v1/drain', query),
    done: () => `${name} gets nothing new.`,
  }
}

/** @param {number} active */
function goOn(active) {
  if (active === 0) return 'None runs there now.'
  return active === 1 ? 'The session that runs there now goes on.' : `The ${showSize(active)} sessions that run there now go on.`
}

/** `default/web:http` of `default/web:http/TCP`, as people write it.
 *  @param {string} key */
export function portOf(key) {
  return key.replace(/\/(?:TCP|UDP|SCTP)$/, '').replace(/:$/, '')
}
