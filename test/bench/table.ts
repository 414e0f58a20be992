/** Tables for people. */

export const mark = (ok: boolean) => ok ? "ok" : "MISSED"

/** A median and half the interquartile range relative to it. */
export const spreading = ({ median, spread }: { readonly median: number; readonly spread: number }) =>
  `${median.toFixed(0)} ± ${(spread * 100).toFixed(0)} %`

// Numbers to the right, words to the left.
export const table = (
  head: ReadonlyArray<string>,
  rows: ReadonlyArray<ReadonlyArray<string>>
): ReadonlyArray<string> => {
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]!.length)))
  const isNumber = head.map((_, column) => rows.every((row) => /^(–|[\d.]+( ± [\d.]+)?( %)?)$/.test(row[column]!)))
  const line = (row: ReadonlyArray<string>) =>
    row.map((cell, column) => isNumber[column] ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!))
      .join("  ").trimEnd()
  return [line(head), widths.map((width) => "─".repeat(width)).join("──"), ...rows.map(line)]
}
