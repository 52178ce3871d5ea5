// Where the program writes: a terminal or a pipe. Colours only on a terminal and only when nobody asked for none; a pipe gets
// plain text without decoration.
import type { WriteStream } from "node:tty"
import { inert, inertJson, inertLine } from "./inert.ts"
import { fit, pad, widthOf } from "./width.ts"

const STYLES = {
  bold: [1, 22],
  dim: [2, 22],
  italic: [3, 23],
  underline: [4, 24],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  blue: [34, 39],
  cyan: [36, 39],
} as const

export type Style = keyof typeof STYLES

export interface ScreenOptions {
  stream: Pick<NodeJS.WritableStream, "write"> & Partial<Pick<WriteStream, "isTTY" | "columns">>
  env: Readonly<Record<string, string | undefined>>
}

export class Screen {
  readonly isTerminal: boolean
  readonly colours: boolean
  readonly #stream: ScreenOptions["stream"]

  constructor({ stream, env }: ScreenOptions) {
    this.#stream = stream
    this.isTerminal = stream.isTTY === true && env["TERM"] !== "dumb"
    this.colours = this.isTerminal && !env["NO_COLOR"]
  }

  /** Columns; a pipe has no limit. */
  get width(): number {
    return this.isTerminal ? Math.max(20, this.#stream.columns ?? 80) : Number.POSITIVE_INFINITY
  }

  write(text: string): void {
    if (text !== "") this.#stream.write(text)
  }

  line(text = ""): void {
    this.#stream.write(`${text}\n`)
  }

  /** The text in a style, or as it is where there are no colours. */
  paint(text: string, ...styles: Style[]): string {
    if (!this.colours || text === "") return text
    return styles.reduce((inner, style) => `\x1b[${STYLES[style][0]}m${inner}\x1b[${STYLES[style][1]}m`, text)
  }

  /** One value as JSON, for programs. */
  json(value: unknown): void {
    this.line(inertJson(JSON.stringify(value, null, this.isTerminal ? 2 : undefined)))
  }

  /** The same in one line, also on a terminal. */
  jsonLine(value: unknown): void {
    this.line(inertJson(JSON.stringify(value)))
  }

  /** Rows under a heading; the last column gives way when the terminal is narrow. Cells may come from outside. */
  table(heading: readonly string[], rows: readonly (readonly string[])[]): void {
    const cells = rows.map((row) => row.map(inertLine))
    if (!this.isTerminal) {
      for (const row of cells) this.line(row.join("\t"))
      return
    }
    const widths = heading.map((title, i) => Math.max(widthOf(title), ...cells.map((row) => widthOf(row[i] ?? ""))))
    const before = widths.slice(0, -1).reduce((sum, width) => sum + width + 2, 0)
    const last = widths.length - 1
    widths[last] = Math.max(8, Math.min(widths[last] ?? 8, this.width - before - 1))
    const lay = (row: readonly string[]) =>
      row.map((cell, i) => (i === last ? fit(cell, widths[i]!) : pad(cell, widths[i]!))).join("  ")
    this.line(this.paint(lay(heading), "dim"))
    for (const row of cells) this.line(lay(row))
  }

  /** Names and values, one a line, the values below each other. Values may come from outside. */
  facts(facts: readonly (readonly [string, string])[]): void {
    const width = Math.max(0, ...facts.map(([name]) => widthOf(name)))
    for (const [name, value] of facts)
      this.line(
        `  ${this.paint(pad(name, width), "dim")}  ${inert(value).replaceAll("\n", `\n${" ".repeat(width + 4)}`)}`,
      )
  }
}
