import { breakable, byId, h, Parts, say } from './dom.js'
import { endpointTable, portOf } from './endpoints.js'
import { showCount, showNumber, showSize } from './words.js'

/** @import { ServiceStatus, Status } from '../../../model/status.ts' */
/** @import { Sample } from '../history.ts' */
/** @typedef {{ service: ServiceStatus, latest: Sample | undefined, status: Status }} Line */

/** So many rows a browser keeps up to date without effort. */
const PAGE_ROWS = 50
const WORKING = new Set(['serving', 'backup'])

/** @type {readonly { key: string, label: string, wide?: boolean, of: (line: Line) => string | number }[]} */
const COLUMNS = [
  { key: 'service', label: 'Service', of: ({ service }) => service.service },
  {
    key: 'up',
    label: 'Up',
    of: ({ service }) => (service.endpoints.length === 0 ? -1 : upOf(service) / service.endpoints.length),
  },
  { key: 'active', label: 'Active', of: ({ service }) => service.sessions.active },
  { key: 'begun', label: 'New/s', of: ({ latest }) => latest?.begun ?? 0 },
  { key: 'in', label: 'In B/s', wide: true, of: ({ latest }) => latest?.bytesIn ?? 0 },
  { key: 'out', label: 'Out B/s', wide: true, of: ({ latest }) => latest?.bytesOut ?? 0 },
  { key: 'errors', label: 'Errors/s', of: ({ latest }) => latest?.errors ?? 0 },
  { key: 'failures', label: 'Failures/s', wide: true, of: ({ latest }) => latest?.failures ?? 0 },
  { key: 'p99', label: 'p99 ms', wide: true, of: ({ latest }) => latest?.p99Ms ?? 0 },
]

/** How many endpoints of a Service port get new sessions.
 *  @param {ServiceStatus} service */
export function upOf({ endpoints }) {
  return endpoints.filter(({ state }) => WORKING.has(state)).length
}

/** Shows the Services, a page of them at a time, and the endpoints of the one that is open.
 *  @param {{ rights: () => boolean, changed: () => void, opened: (service: string | undefined) => void }} page */
export function createServices({ rights, changed, opened }) {
  let sort = { key: 'service', down: false }
  let first = 0
  /** @type {string | undefined} */
  let open
  /** @type {{ status: Status, latest: Readonly<Record<string, Sample>> } | undefined} */
  let shown

  const filter = h('input', {
    type: 'search',
    id: 'services-filter',
    placeholder: 'Name, address, state…   ( / )',
    'aria-label': 'Show Services with this text',
    oninput: () => {
      first = 0
      draw()
    },
  })
  const count = h('span', { class: 'quiet', role: 'status' })
  const back = h('button', { type: 'button', onclick: () => turn(-1) }, 'Previous')
  const on = h('button', { type: 'button', onclick: () => turn(1) }, 'Next')
  const turner = h('span', { class: 'end' }, back, ' ', on)
  const heads = COLUMNS.map(({ key, label, wide }, n) =>
    h(
      'th',
      { scope: 'col', class: `${n === 0 ? '' : 'n'} ${wide ? 'wide' : ''}` },
      h('button', { type: 'button', class: 'sort', onclick: () => sortBy(key) }, label),
    ),
  )
  const table = h('table', { id: 'services' }, h('thead', {}, h('tr', {}, ...heads)))
  const bodies = new Parts(table, makeLine)
  const nothing = h('p', { class: 'nothing' })
  byId('services-view').append(h('div', { class: 'bar' }, filter, count, turner), h('div', { class: 'sheet' }, table, nothing))

  /** @param {string} key */
  function sortBy(key) {
    sort = { key, down: sort.key === key ? !sort.down : key !== 'service' && key !== 'up' }
    first = 0
    draw()
  }

  /** @param {number} pages */
  function turn(pages) {
    first += pages * PAGE_ROWS
    draw()
  }

  /** @param {string | undefined} service */
  function toggle(service) {
    open = service
    opened(open)
    draw()
  }

  /** @param {Line} line */
  function makeLine(line) {
    const name = line.service.service
    const button = h(
      'button',
      { type: 'button', class: 'open', onclick: () => toggle(open === name ? undefined : name) },
      ...breakable(portOf(name)),
    )
    const address = h('span', { class: 'under' })
    const cells = COLUMNS.slice(1).map(({ wide }) => h('td', { class: `n ${wide ? 'wide' : ''}` }))
    const row = h('tr', { class: 'row' }, h('td', { class: 'name' }, button, address), ...cells)
    const node = h('tbody', { 'data-service': name }, row)
    /** @type {{ node: Element, update(line: { service: ServiceStatus, status: Status }): void } | undefined} */
    let inner
    return {
      node,
      /** @param {Line} now */
      update(now) {
        const { service, latest, status } = now
        button.setAttribute('aria-expanded', String(open === name))
        const where = addressesOf(service)
        if (address.textContent !== where) address.replaceChildren(...breakable(where))
        const [up, active, ...rates] = /** @type {HTMLElement[]} */ (cells)
        const working = upOf(service)
        const all = service.endpoints.length
        say(/** @type {Element} */ (up), `${working}/${all}`, `n ${working === 0 ? 'bad' : working < all ? 'warn' : ''}`)
        say(/** @type {Element} */ (active), showSize(service.sessions.active))
        const numbers = [latest?.begun, latest?.bytesIn, latest?.bytesOut, latest?.errors, latest?.failures, latest?.p99Ms]
        for (const [n, cell] of rates.entries()) say(cell, showSize(numbers[n]))
        rates[3]?.classList.toggle('bad', (latest?.errors ?? 0) > 0)
        rates[4]?.classList.toggle('warn', (latest?.failures ?? 0) > 0)
        if (open !== name) {
          inner?.node.remove()
          inner = undefined
          return
        }
        if (!inner) {
          const part = endpointTable({ rights, changed })
          inner = {
            node: h('tr', { class: 'inner' }, h('td', { colspan: String(COLUMNS.length) }, part.node)),
            update: part.update,
          }
          node.append(inner.node)
        }
        inner.update({ service, status })
      },
    }
  }

  function draw() {
    if (!shown) return
    const { status, latest } = shown
    const wanted = filter.value.trim().toLowerCase()
    const lines = status.services
      .filter((service) => wanted === '' || textOf(service).includes(wanted))
      .map((service) => ({ service, latest: latest[service.service], status }))
    const column = COLUMNS.find(({ key }) => key === sort.key) ?? COLUMNS[0]
    const of = /** @type {typeof COLUMNS[number]} */ (column).of
    const sign = sort.down ? -1 : 1
    lines.sort((a, b) => sign * compare(of(a), of(b)) || compare(a.service.service, b.service.service))
    first = Math.max(0, Math.min(first, Math.floor(Math.max(0, lines.length - 1) / PAGE_ROWS) * PAGE_ROWS))
    const here = lines.slice(first, first + PAGE_ROWS)
    bodies.show(here, ({ service }) => service.service)
    for (const [n, head] of heads.entries()) {
      if (COLUMNS[n]?.key === sort.key) head.setAttribute('aria-sort', sort.down ? 'descending' : 'ascending')
      else head.removeAttribute('aria-sort')
    }
    const range = lines.length > PAGE_ROWS ? `${first + 1}–${first + here.length} of ` : ''
    say(count, `${range}${showNumber(lines.length, 'Service port')}${wanted ? `, of ${showCount(status.services.length)}` : ''}`)
    turner.hidden = lines.length <= PAGE_ROWS
    back.disabled = first === 0
    on.disabled = first + PAGE_ROWS >= lines.length
    nothing.hidden = lines.length > 0
    say(nothing, status.services.length === 0 ? 'No Services.' : 'No Service has this text.')
  }

  return {
    /** @param {Status} status
     *  @param {Readonly<Record<string, Sample>>} latest */
    show(status, latest) {
      shown = { status, latest }
      draw()
    },
    /** Closes what is open. */
    close: () => toggle(undefined),
    /** Shows one Service port alone, open.
     *  @param {string} service */
    reveal(service) {
      filter.value = service
      toggle(service)
    },
    focusFilter: () => filter.focus(),
  }
}

/** @param {ServiceStatus} service */
function addressesOf({ listeners }) {
  const [one, ...more] = listeners
  if (one === undefined) return 'no address'
  return more.length === 0 ? one : `${one} and ${more.length} more`
}

/** Everything of a Service that can be looked for.
 *  @param {ServiceStatus} service */
function textOf({ service, listeners, endpoints }) {
  const parts = endpoints.flatMap(({ endpoint, state, node }) => [endpoint, state, node ?? ''])
  return [service, ...listeners, ...parts].join(' ').toLowerCase()
}

/** @param {string | number} a
 *  @param {string | number} b */
function compare(a, b) {
  return a < b ? -1 : a > b ? 1 : 0
}
