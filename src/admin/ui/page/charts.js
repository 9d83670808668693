import { byId, h, say, svg } from './dom.js'
import { showSize } from './words.js'

/** @import { HistoryAnswer } from '../sampler.ts' */
/** @typedef {keyof HistoryAnswer['series']} Series */

const SPAN_MS = 15 * 60_000
const WIDTH = 300
const HEIGHT = 96
/** So much above the highest point is left for its number. */
const HEADROOM = 16

/** @type {readonly { title: string, unit: string, lines: readonly (readonly [Series, string])[] }[]} */
const CHARTS = [
  { title: 'New sessions', unit: '/s', lines: [['begun', 'new']] },
  {
    title: 'Bytes',
    unit: 'B/s',
    lines: [
      ['bytesIn', 'in'],
      ['bytesOut', 'out'],
    ],
  },
  {
    title: 'Errors',
    unit: '/s',
    lines: [
      ['errors', 'errors'],
      ['failures', 'failures'],
    ],
  },
  {
    title: 'Time to connect',
    unit: ' ms',
    lines: [
      ['p50Ms', 'p50'],
      ['p99Ms', 'p99'],
    ],
  },
]

/** Draws what happened in the last quarter of an hour. All charts show the numbers of one moment: of the one that is pointed
 *  at, or walked to with the arrow keys, else of the last. */
export function createCharts() {
  /** @type {HistoryAnswer | undefined} */
  let history
  /** @type {number | undefined} */
  let pointedMs
  const charts = CHARTS.map((chart) => drawChart(chart, point))
  byId('charts').append(...charts.map(({ node }) => node))

  /** @param {number | undefined} part Of the width, from 0 to 1. */
  function point(part, steps = 0) {
    if (!history) return
    const { times, intervalMs } = history
    const lastMs = times.at(-1)
    if (lastMs === undefined || part === undefined) pointedMs = undefined
    else if (steps !== 0) {
      const at = (pointedMs ?? lastMs) + steps * intervalMs
      pointedMs = Math.min(lastMs, Math.max(/** @type {number} */ (times[0]), at))
    } else pointedMs = lastMs - SPAN_MS + part * SPAN_MS
    draw()
  }

  function draw() {
    if (!history) return
    const { times } = history
    const at = pointedMs === undefined ? times.length - 1 : nearest(times, pointedMs)
    for (const { update } of charts) update(history, at, pointedMs !== undefined)
    const time = times[at]
    const shown = time === undefined || pointedMs === undefined ? '' : `at ${new Date(time).toLocaleTimeString()}`
    say(byId('charts-time'), times.length === 0 ? 'the first numbers come within seconds' : shown)
  }

  return {
    /** @param {HistoryAnswer} next */
    show(next) {
      history = next
      draw()
    },
  }
}

/** @param {typeof CHARTS[number]} chart
 *  @param {(part: number | undefined, steps?: number) => void} point */
function drawChart({ title, unit, lines }, point) {
  const values = lines.map(() => h('b'))
  const legend = lines.map(([, label], n) =>
    h('span', {}, h('span', { class: `key ${n === 0 ? 'a' : 'b'}` }), `${label} `, /** @type {Node} */ (values[n])),
  )
  const paths = lines.map((_, n) => svg('path', { class: n === 0 ? 'a' : 'b', 'vector-effect': 'non-scaling-stroke' }))
  const cursor = svg('path', { class: 'cursor', 'vector-effect': 'non-scaling-stroke' })
  const ground = svg('path', {
    class: 'grid',
    d: `M0 ${HEIGHT - 1}H${WIDTH}M0 ${HEADROOM}H${WIDTH}`,
    'vector-effect': 'non-scaling-stroke',
  })
  const box = { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: 'none', role: 'img', tabindex: '0' }
  const picture = svg('svg', box, ground, ...paths, cursor)
  picture.addEventListener('pointermove', (event) => {
    const { clientX } = /** @type {PointerEvent} */ (event)
    const { left, width } = picture.getBoundingClientRect()
    point((clientX - left) / width)
  })
  picture.addEventListener('pointerleave', () => point(undefined))
  picture.addEventListener('blur', () => point(undefined))
  picture.addEventListener('keydown', (event) => {
    const { key } = /** @type {KeyboardEvent} */ (event)
    if (key === 'ArrowLeft') point(0, -1)
    else if (key === 'ArrowRight') point(0, 1)
    else if (key === 'Escape') point(undefined)
  })
  const top = h('span', { class: 'top' })
  const times = h('div', { class: 'times' }, h('span', {}, '15 min ago'), h('span', {}, 'now'))
  const node = h(
    'figure',
    {},
    h('figcaption', {}, title),
    h('div', { class: 'legend' }, ...legend),
    h('div', { class: 'plot' }, picture, top),
    times,
  )

  /** @param {HistoryAnswer} history
   *  @param {number} at
   *  @param {boolean} pointed */
  function update({ times, series, intervalMs }, at, pointed) {
    const untilMs = times.at(-1) ?? 0
    const most = niceTop(Math.max(0, ...lines.flatMap(([name]) => series[name].map((value) => value ?? 0))))
    /** @param {number} time */
    const x = (time) => (((time - untilMs + SPAN_MS) / SPAN_MS) * WIDTH).toFixed(1)
    for (const [n, [name]] of lines.entries()) {
      paths[n]?.setAttribute('d', pathOf(times, series[name], intervalMs, x, most))
      say(/** @type {Element} */ (values[n]), `${showSize(series[name][at])}${series[name][at] == null ? '' : unit}`)
    }
    cursor.setAttribute('d', pointed && times[at] !== undefined ? `M${x(times[at])} ${HEADROOM}V${HEIGHT}` : '')
    say(top, `${showSize(most)}${unit}`)
    const now = lines.map(([name, label]) => `${label} ${showSize(series[name][at])}${unit}`).join(', ')
    picture.setAttribute('aria-label', `${title}, the last 15 minutes: ${now}`)
  }

  return { node, update }
}

/** A line through what is known; it is broken where nothing was.
 *  @param {readonly number[]} times
 *  @param {readonly (number | null)[]} values
 *  @param {number} intervalMs
 *  @param {(time: number) => string} x
 *  @param {number} most */
function pathOf(times, values, intervalMs, x, most) {
  let path = ''
  let lastMs = Number.NEGATIVE_INFINITY
  for (const [n, time] of times.entries()) {
    const value = values[n]
    if (value === null || value === undefined) continue
    const y = (HEIGHT - 1 - (value / most) * (HEIGHT - 1 - HEADROOM)).toFixed(1)
    // A point alone is drawn as a dot: a line of no length with round ends.
    path += time - lastMs > 2.5 * intervalMs ? `M${x(time)} ${y}h0` : `L${x(time)} ${y}`
    lastMs = time
  }
  return path
}

/** The next of 1, 2, 5, 10, 20, 50 …, and 1 for nothing.
 *  @param {number} value */
function niceTop(value) {
  if (value <= 0) return 1
  const unit = 10 ** Math.floor(Math.log10(value))
  return ([1, 2, 5, 10].find((step) => step * unit >= value * 0.999) ?? 10) * unit
}

/** @param {readonly number[]} times
 *  @param {number} wanted */
function nearest(times, wanted) {
  let best = 0
  for (const [n, time] of times.entries()) {
    if (Math.abs(time - wanted) < Math.abs(/** @type {number} */ (times[best]) - wanted)) best = n
  }
  return best
}
