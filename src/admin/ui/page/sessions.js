import { ask, confirmThen, withQuery } from './ask.js'
import { byId, h, Parts, say } from './dom.js'
import { portOf } from './endpoints.js'
import { showCount, showNumber, showSize, showSpan } from './words.js'

/** @import { SessionPage, SessionView } from '../../../model/session-view.ts' */

const MOST_SHOWN = 200
/** Until somebody stops typing. */
const SETTLE_MS = 250

const FILTERS = [
  { key: 'service', label: 'Service', example: 'default/web' },
  { key: 'endpoint', label: 'Endpoint', example: '10.1.2.3:8080' },
  { key: 'client', label: 'Client', example: '192.0.2.0/24' },
  { key: 'olderThan', label: 'Older than', example: '1h30m' },
  { key: 'idleLongerThan', label: 'Idle longer than', example: '5m' },
  { key: 'bytesOver', label: 'More bytes than', example: '10M' },
]

const HEADS = [
  ['ID', 'n wide'],
  ['Service', 'wide'],
  ['Client', ''],
  ['Endpoint', ''],
  ['State', 'wide'],
  ['Age', 'n'],
  ['Idle', 'n wide'],
  ['In B', 'n wide'],
  ['Out B', 'n wide'],
]

/** Shows sessions that run, those that match what is asked for.
 *  @param {{ rights: () => boolean, visible: () => boolean }} page */
export function createSessions({ rights, visible }) {
  let matched = 0
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let settling
  /** What was asked last; answers to earlier questions come too late. */
  let asked = 0

  const inputs = FILTERS.map(({ key, example }) =>
    h('input', { type: 'text', name: key, placeholder: example, autocomplete: 'off', spellcheck: 'false', oninput: settle }),
  )
  const fields = FILTERS.map(({ label }, n) => h('label', {}, label, /** @type {Node} */ (inputs[n])))
  const count = h('span', { class: 'quiet', role: 'status' })
  const clear = h('button', { type: 'button', onclick: clearAll }, 'Clear')
  const endAll = h('button', { type: 'button', class: 'danger end', onclick: () => void killMatching() }, 'End all that match')
  const wrong = h('p', { class: 'wrong', role: 'alert' })
  const body = h('tbody')
  const rows = new Parts(body, makeRow)
  const heads = HEADS.map(([label = '', className = '']) => h('th', { scope: 'col', class: className }, label))
  const table = h('table', { id: 'sessions' }, h('thead', {}, h('tr', {}, ...heads, h('th', { class: 'actions' }))), body)
  const nothing = h('p', { class: 'nothing' })
  byId('sessions-view').append(
    h('div', { class: 'fields' }, ...fields),
    h('div', { class: 'bar' }, count, clear, endAll),
    wrong,
    h('div', { class: 'sheet' }, table, nothing),
  )

  function query() {
    return Object.fromEntries(inputs.map(({ name, value }) => [name, value.trim()]).filter(([, value]) => value !== ''))
  }

  function settle() {
    clearTimeout(settling)
    settling = setTimeout(() => void refresh(), SETTLE_MS)
  }

  function clearAll() {
    for (const input of inputs) input.value = ''
    void refresh()
  }

  /** @param {SessionView} session */
  function makeRow(session) {
    const { id, client, service } = session
    const cells = HEADS.map(([, className = '']) => h('td', { class: className }))
    const end = h('button', { type: 'button', class: 'danger', onclick: () => void kill(session) }, 'End')
    const under = h('span', { class: 'under' })
    const [number, of, from, to, state, age, idle, sent, received] = cells
    const node = h('tr', { 'data-session': String(id) }, ...cells, h('td', { class: 'actions' }, end))
    number?.append(String(id))
    of?.append(portOf(service))
    from?.append(client)
    const target = h('span', { class: 'name' })
    to?.append(target, under)
    return {
      node,
      /** @param {SessionView} now */
      update(now) {
        say(target, now.endpoint ?? '–')
        say(under, `via ${now.local}`)
        /** @type {[Element | undefined, string][]} */
        const texts = [
          [state, now.state],
          [age, showSpan(now.ageMs)],
          [idle, showSpan(now.idleMs)],
          [sent, showSize(now.bytesFromClient)],
          [received, showSize(now.bytesFromEndpoint)],
        ]
        for (const [cell, text] of texts) if (cell) say(cell, text)
        end.disabled = !rights()
        end.title = rights() ? '' : 'You may look, and change nothing.'
      },
    }
  }

  /** @param {SessionView} session */
  async function kill({ id, client, endpoint, service }) {
    await confirmThen({
      title: `End session ${id}?`,
      text: `${client} to ${endpoint ?? 'no endpoint yet'}, of ${portOf(service)}. Both sides see a reset.`,
      button: 'End session',
      method: 'DELETE',
      path: withQuery('/portald/v1/sessions', { id: String(id) }),
      done: ({ killed }) => (killed === 0 ? 'It had ended already.' : `Session ${id} ended.`),
    })
    await refresh()
  }

  async function killMatching() {
    const given = query()
    const words = FILTERS.filter(({ key }) => key in given).map(({ key, label }) => `${label.toLowerCase()} ${given[key]}`)
    await confirmThen({
      title: `End ${showNumber(matched, 'session')}?`,
      text: `All with ${words.join(', ')}, and those that begin until then. Both sides of each see a reset.`,
      button: 'End them all',
      method: 'DELETE',
      path: withQuery('/portald/v1/sessions', given),
      done: ({ killed }) => `${showNumber(killed, 'session')} ended.`,
    })
    await refresh()
  }

  async function refresh() {
    if (!visible()) return
    const given = query()
    const turn = ++asked
    try {
      /** @type {SessionPage} */
      const page = await ask(withQuery('/portald/v1/sessions', { ...given, limit: String(MOST_SHOWN) }))
      if (turn !== asked) return
      matched = page.matched
      rows.show(page.sessions, ({ id }) => String(id))
      say(wrong, '')
      const more = page.matched > page.sessions.length ? `, the oldest ${showCount(page.sessions.length)} shown` : ''
      say(count, `${showNumber(page.matched, 'session')}${more}`)
      nothing.hidden = page.sessions.length > 0
      say(nothing, Object.keys(given).length > 0 ? 'No session matches.' : 'No session runs.')
    } catch (error) {
      if (turn !== asked) return
      matched = 0
      say(wrong, error instanceof Error ? error.message : String(error))
    }
    const filtered = Object.keys(given).length > 0
    clear.hidden = !filtered
    endAll.hidden = !filtered || matched === 0
    endAll.disabled = !rights()
  }

  return { refresh, focusFilter: () => inputs[0]?.focus() }
}
