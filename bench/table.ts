export interface Column {
  readonly title: string
  readonly align: 'left' | 'right'
}

/** A row is its cells, or a name and one remark over the rest of the line. */
export type Row = readonly string[] | { readonly name: string; readonly remark: string }

const isRemark = (row: Row): row is { readonly name: string; readonly remark: string } => !Array.isArray(row)

function pad(text: string, width: number, align: 'left' | 'right'): string {
  return align === 'left' ? text.padEnd(width) : text.padStart(width)
}

/** Lines of aligned text; a remark takes the room of all columns after the first. */
export function textTable(columns: readonly Column[], rows: readonly Row[]): string[] {
  const widths = columns.map((column, index) => {
    const cells = rows.map((row) => (isRemark(row) ? (index === 0 ? row.name.length : 0) : (row[index] ?? '').length))
    return Math.max(column.title.length, ...cells)
  })
  const line = (cells: readonly string[]) =>
    columns
      .map((column, index) => pad(cells[index] ?? '', widths[index] ?? 0, column.align))
      .join('  ')
      .trimEnd()
  const head = line(columns.map((column) => column.title))
  const rule = widths.map((width) => '─'.repeat(width)).join('  ')
  return [head, rule, ...rows.map((row) => (isRemark(row) ? `${row.name.padEnd(widths[0] ?? 0)}  ${row.remark}` : line(row)))]
}

export function markdownTable(columns: readonly Column[], rows: readonly Row[]): string[] {
  const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
  const blanks = columns.slice(2).map(() => '')
  return [
    line(columns.map((column) => column.title)),
    line(columns.map((column) => (column.align === 'left' ? '---' : '---:'))),
    ...rows.map((row) => line(isRemark(row) ? [row.name, row.remark, ...blanks] : row)),
  ]
}

/** Three significant digits, thousands apart: 0.00412, 12.6, 1,250, 103,000. */
export function quantity(value: number | undefined): string {
  if (value === undefined || !Number.isFinite(value)) return '–'
  if (value === 0) return '0'
  const rounded = Number(value.toPrecision(3))
  const decimals = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(rounded))))
  return rounded.toLocaleString('en-US', { minimumFractionDigits: decimals, maximumFractionDigits: decimals })
}

export function ratio(value: number | undefined): string {
  return value === undefined ? '–' : value.toFixed(2)
}
