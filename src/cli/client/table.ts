/** One column of a table. */
export interface Column<Row> {
  readonly title: string
  readonly of: (row: Row) => string
  readonly align?: 'left' | 'right'
  /** May be cut to so many characters where the table is too wide; undefined: never. */
  readonly least?: number
}

const GAP = 2

/** Rows as a table no wider than `width` where that can be had, its titles first, without spaces at the ends of lines. */
export function showTable<Row>(columns: readonly Column<Row>[], rows: readonly Row[], width: number): string[] {
  const cells = rows.map((row) => columns.map(({ of }) => of(row)))
  const widths = columns.map(({ title }, n) =>
    cells.reduce((most, line) => Math.max(most, (line[n] as string).length), title.length),
  )
  let over = widths.reduce((sum, one) => sum + one + GAP, -GAP) - width
  for (const [n, { least }] of columns.entries()) {
    if (over <= 0 || least === undefined) continue
    const cut = Math.min(over, Math.max(0, (widths[n] as number) - least))
    widths[n] = (widths[n] as number) - cut
    over -= cut
  }
  const line = (texts: readonly string[]) =>
    texts
      .map((text, n) => {
        const shown = shorten(text, widths[n] as number)
        return columns[n]?.align === 'right' ? shown.padStart(widths[n] as number) : shown.padEnd(widths[n] as number)
      })
      .join(' '.repeat(GAP))
      .trimEnd()
  return [line(columns.map(({ title }) => title)), ...cells.map(line)]
}

/** Cut in the middle, for both ends of a name tell something. */
export function shorten(text: string, width: number): string {
  if (text.length <= width) return text
  const tail = Math.floor((width - 1) / 2)
  return `${text.slice(0, width - 1 - tail)}…${text.slice(text.length - tail)}`
}
