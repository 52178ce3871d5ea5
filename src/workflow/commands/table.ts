// table: shows the items in columns, or one a line when they are not all objects, and yields none.
import type { Command } from "../command.ts"
import { collected, isRecord } from "./items.ts"

/** So many items decide whether there are columns, and which. */
const LOOKED_AT = 20
const MIN_WIDTH = 3

export const table: Command = {
  name: "table",
  description: "Shows the items as a table",
  args: {},
  examples: [{ text: "pick id,title | table", description: "Two columns" }],
  sideEffects: [],
  effect: "read",
  async run({ items }, context) {
    context.print(`${drawn(await collected(items))}\n`)
    return { rendered: true }
  },
}

export function drawn(items: readonly unknown[]): string {
  if (items.length === 0) return "(no results)"
  const sample = items.slice(0, LOOKED_AT)
  if (!sample.every(isRecord)) return items.map(cell).join("\n")
  const columns = [...new Set(sample.flatMap((item) => Object.keys(item)))]
  const rows = items.map((item) => columns.map((column) => cell(isRecord(item) ? item[column] : undefined)))
  const widths = columns.map((column, i) =>
    rows.reduce((width, row) => Math.max(width, row[i]!.length), Math.max(MIN_WIDTH, column.length)),
  )
  const line = (cells: readonly string[]) => cells.map((text, i) => text.padEnd(widths[i]!)).join("  ")
  return [line(columns), widths.map((width) => "-".repeat(width)).join("  "), ...rows.map(line)].join("\n")
}

function cell(value: unknown): string {
  if (value === undefined || value === null) return ""
  const text = typeof value === "object" ? JSON.stringify(value) : String(value)
  return text.replace(/\r?\n/g, " ")
}
