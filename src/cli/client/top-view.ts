import type { EndpointRates, Rates, ServiceRates, TopRates } from '../../observe/status-rates.ts'
import { showAgo, showMs, showSize } from './numbers.ts'
import { type Column, shorten, showTable } from './table.ts'

/** What rows may be sorted by, in the order of the columns. */
export const SORTS = ['name', 'active', 'new', 'in', 'out', 'errors', 'failures'] as const
export type Sort = (typeof SORTS)[number]

/** What somebody has chosen to see. */
export interface TopChoice {
  readonly rows: 'services' | 'endpoints'
  readonly sort: Sort
  /** Only rows with this in them. */
  readonly filter: string
  /** A filter is being typed. */
  readonly typing: boolean
  readonly paused: boolean
  /** The first row shown. */
  readonly from: number
}

export const FIRST_CHOICE: TopChoice = { rows: 'services', sort: 'active', filter: '', typing: false, paused: false, from: 0 }
/** Lines that are not rows: three above, the titles, the keys. */
const OTHER_LINES = 5

/** What a key does; undefined: it ends the program. */
export function pressKey(choice: TopChoice, key: string): TopChoice | undefined {
  if (key === '\x03') return undefined
  if (choice.typing) return typeKey(choice, key)
  switch (key) {
    case 'q':
      return undefined
    case 's':
      return { ...choice, sort: SORTS[(SORTS.indexOf(choice.sort) + 1) % SORTS.length] as Sort, from: 0 }
    case 'e':
      return { ...choice, rows: choice.rows === 'services' ? 'endpoints' : 'services', from: 0 }
    case '/':
      return { ...choice, typing: true, filter: '', from: 0 }
    case '\x1b':
      return { ...choice, filter: '', from: 0 }
    case 'p':
      return { ...choice, paused: !choice.paused }
    case 'j':
    case '\x1b[B':
      return { ...choice, from: choice.from + 1 }
    case 'k':
    case '\x1b[A':
      return { ...choice, from: Math.max(0, choice.from - 1) }
    default:
      return choice
  }
}

function typeKey(choice: TopChoice, key: string): TopChoice {
  if (key === '\r' || key === '\n') return { ...choice, typing: false }
  if (key === '\x1b') return { ...choice, typing: false, filter: '' }
  if (key === '\x7f' || key === '\b') return { ...choice, filter: choice.filter.slice(0, -1) }
  return /^[\x20-\x7e]+$/.test(key) ? { ...choice, filter: choice.filter + key } : choice
}

/** The picture: what is wrong, a table, and which keys there are. Never wider than `width` nor longer than `height`. */
export function showTop(
  rates: TopRates,
  choice: TopChoice,
  { width, height }: { readonly width: number; readonly height: number },
): string[] {
  const { now, all } = rates
  const problems = now.problems.filter(({ severity }) => severity === 'error').length
  const failed = now.sources.filter(({ state }) => state === 'failed').map(({ name }) => name)
  const silent = now.listeners.filter(({ state }) => state === 'failed').map(({ listener }) => listener)
  const wrong = [
    problems > 0 ? `${problems} ${problems === 1 ? 'error' : 'errors'} in the objects` : '',
    failed.length > 0 ? `cannot read ${failed.join(', ')}` : '',
    silent.length > 0 ? `cannot listen on ${silent.join(', ')}` : '',
  ].filter((text) => text !== '')
  const table = choice.rows === 'services' ? serviceTable(rates, choice, width) : endpointTable(rates, choice, width)
  const [titles = '', ...rows] = table
  const room = Math.max(1, height - OTHER_LINES)
  const from = Math.min(choice.from, Math.max(0, rows.length - room))
  return [
    `portald ${now.version}  ${now.state}  ${now.engine.name}, ${now.workers.length} ${now.workers.length === 1 ? 'worker' : 'workers'}  ${now.time.slice(11, 19)}Z${choice.paused ? '  PAUSED' : ''}`,
    `${all.active} sessions  ${showRate(all.begun)} new/s  in ${showSize(all.bytesIn)}B/s  out ${showSize(all.bytesOut)}B/s  ${showRate(all.errors)} errors/s  ${showRate(all.failures)} failures/s`,
    wrong.length > 0 ? `! ${wrong.join('; ')}` : '',
    titles,
    ...rows.slice(from, from + room),
    choice.typing
      ? `filter: ${choice.filter}_`
      : `q quit  s sort: ${choice.sort}  e ${choice.rows === 'services' ? 'endpoints' : 'services'}  / filter${choice.filter === '' ? '' : `: ${choice.filter}`}  p pause  j k scroll`,
  ].map((line) => shorten(line, width))
}

function serviceTable({ services }: TopRates, choice: TopChoice, width: number): string[] {
  const rows = services.filter(({ service }) => service.includes(choice.filter))
  return showTable(
    SERVICES,
    sorted(rows, choice.sort, ({ service }) => service),
    width,
  )
}

function endpointTable({ endpoints, now }: TopRates, choice: TopChoice, width: number): string[] {
  const rows = endpoints.filter(({ service, endpoint, state }) => `${endpoint} ${service} ${state}`.includes(choice.filter))
  return showTable(
    endpointColumns(now.time),
    sorted(rows, choice.sort, ({ endpoint, service }) => `${endpoint} ${service}`),
    width,
  )
}

function sorted<Row extends Rates>(rows: readonly Row[], sort: Sort, name: (row: Row) => string): readonly Row[] {
  const byName = (a: Row, b: Row) => (name(a) < name(b) ? -1 : 1)
  if (sort === 'name') return rows.toSorted(byName)
  const of = VALUES[sort]
  return rows.toSorted((a, b) => of(b) - of(a) || byName(a, b))
}

const VALUES: { readonly [Name in Exclude<Sort, 'name'>]: (rates: Rates) => number } = {
  active: ({ active }) => active,
  new: ({ begun }) => begun,
  in: ({ bytesIn }) => bytesIn,
  out: ({ bytesOut }) => bytesOut,
  errors: ({ errors }) => errors,
  failures: ({ failures }) => failures,
}

const RATES: readonly Column<Rates>[] = [
  { title: 'ACTIVE', of: ({ active }) => showSize(active), align: 'right' },
  { title: 'NEW/S', of: ({ begun }) => showRate(begun), align: 'right' },
  { title: 'IN/S', of: ({ bytesIn }) => showSize(bytesIn), align: 'right' },
  { title: 'OUT/S', of: ({ bytesOut }) => showSize(bytesOut), align: 'right' },
  { title: 'ERR/S', of: ({ errors }) => showRate(errors), align: 'right' },
  { title: 'FAIL/S', of: ({ failures }) => showRate(failures), align: 'right' },
]

const SERVICES: readonly Column<ServiceRates>[] = [
  { title: 'SERVICE', of: ({ service }) => service, least: 16 },
  { title: 'UP', optional: true, of: ({ up, endpoints }) => `${up}/${endpoints}`, align: 'right' },
  ...RATES,
  { title: 'P50', of: ({ p50Ms }) => showMs(p50Ms), align: 'right' },
  { title: 'P99', of: ({ p99Ms }) => showMs(p99Ms), align: 'right' },
]

function endpointColumns(now: string): readonly Column<EndpointRates>[] {
  return [
    { title: 'ENDPOINT', of: ({ endpoint }) => endpoint },
    { title: 'SERVICE', of: ({ service }) => service, least: 10, optional: true },
    { title: 'STATE', of: ({ state }) => state },
    ...RATES.filter(({ title }) => title !== 'ERR/S'),
    {
      title: 'LAST FAILURE',
      of: ({ lastFailure }) => (lastFailure ? `${lastFailure.what} ${showAgo(lastFailure.at, now)}` : '-'),
    },
  ]
}

/** A number of events a second. */
function showRate(rate: number): string {
  return rate > 0 && rate < 9.95 ? rate.toFixed(1) : showSize(rate)
}
