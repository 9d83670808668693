/** One column of a table. */
export interface Column<Row> {
  readonly title: string
  readonly of: (row: Row) => string
  readonly align?: 'left' | 'right'
  /** May be cut to so many characters where the table is too wide; undefined: never. */
  readonly least?: number
  /** Is left out where the table is too wide. */
  readonly optional?: boolean
}

const GAP = 2

/** Rows as a table no wider than `width` where that can be had, its titles first, without spaces at the ends of lines. */
export function showTable<Row>(columns: readonly Column<Row>[], rows: readonly Row[], width: number): string[] {
  const widthOf = ({ title, of }: Column<Row>) => rows.reduce((most, row) => Math.max(most, of(row).length), title.length)
  const all = columns.map((column) => ({ column, width: widthOf(column) }))
  let over = all.reduce((sum, one) => sum + one.width + GAP, -GAP) - width
  const shown = all.filter((one) => {
    if (over <= 0 || !one.column.optional) return true
    over -= one.width + GAP
    return false
  })
  for (const one of shown) {
    if (over <= 0 || one.column.least === undefined) continue
    const cut = Math.min(over, Math.max(0, one.width - one.column.least))
    one.width -= cut
    over -= cut
  }
  const line = (textOf: (column: Column<Row>) => string) =>
    shown
      .map((one) => {
        const text = shorten(textOf(one.column), one.width)
        return one.column.align === 'right' ? text.padStart(one.width) : text.padEnd(one.width)
      })
      .join(' '.repeat(GAP))
      .trimEnd()
  return [line(({ title }) => title), ...rows.map((row) => line(({ of }) => of(row)))]
}

/** Cut in the middle, for both ends of a name tell something. */
export function shorten(text: string, width: number): string {
  if (text.length <= width) return text
  const tail = Math.floor((width - 1) / 2)
  return `${text.slice(0, width - 1 - tail)}…${text.slice(text.length - tail)}`
}
