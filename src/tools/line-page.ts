// A page of numbered lines out of a text that comes in pieces: holds no more than what is shown, however long the text or its lines.
import { cut } from "../base/text.ts"
import { errorResult, type ToolResult, textResult } from "./tool.ts"

const MAX_LINE_CHARS = 2_000

export interface LineWindow {
  /** First line shown, from 1. */
  offset: number
  /** Lines shown at most. */
  limit: number
  maxChars: number
}

export class LinePage {
  readonly #window: LineWindow
  readonly #maxLine: number
  readonly #shown: string[] = []
  #chars = 0
  #full = false
  /** Complete lines seen. */
  #count = 0
  /** The line that has not ended: what is kept of it, and its length. */
  #line = ""
  #length = 0

  constructor(window: LineWindow) {
    this.#window = window
    this.#maxLine = Math.min(MAX_LINE_CHARS, Math.max(100, window.maxChars - 200))
  }

  /** True when no line that comes will be shown: from here on counting is enough. */
  get full(): boolean {
    return this.#full
  }

  add(text: string): void {
    let start = 0
    for (let end = text.indexOf("\n"); end !== -1; end = text.indexOf("\n", start)) {
      this.#extend(text, start, end)
      this.#endLine()
      start = end + 1
    }
    this.#extend(text, start, text.length)
  }

  /** Counts lines that are not looked at. `open`: characters follow the last line end. */
  skip(lines: number, open: boolean): void {
    this.#count += lines
    this.#length = open ? 1 : lines > 0 ? 0 : this.#length
  }

  #extend(text: string, start: number, end: number): void {
    const room = this.#maxLine + 1 - this.#line.length
    if (room > 0 && end > start) this.#line += text.slice(start, Math.min(end, start + room))
    this.#length += end - start
  }

  #endLine(): void {
    this.#count += 1
    const { offset, limit, maxChars } = this.#window
    if (this.#count >= offset && !this.#full) {
      const long = this.#length > this.#maxLine
      const line = long ? `${cut(this.#line, this.#maxLine)}… [line cut]` : this.#line.replace(/\r$/, "")
      const text = `${String(this.#count).padStart(6)}\t${line}`
      if (this.#shown.length > 0 && this.#chars + text.length > maxChars) this.#full = true
      else {
        this.#shown.push(text)
        this.#chars += text.length + 1
        this.#full = this.#shown.length >= limit
      }
    }
    this.#line = ""
    this.#length = 0
  }

  /** `more`: the text goes on beyond what was counted. */
  finish(shown: string, more: boolean): ToolResult {
    if (this.#length > 0) this.#endLine()
    const total = `${more ? "more than " : ""}${this.#count}`
    if (this.#count === 0) return textResult(`${shown} is empty.`, { lines: 0 })
    const { offset } = this.#window
    if (this.#shown.length === 0) return errorResult(`${shown} has ${total} lines: line ${offset} does not exist`)
    const last = offset + this.#shown.length - 1
    const note =
      offset > 1 || last < this.#count || more
        ? `\n[lines ${offset}-${last} of ${total}${last < this.#count || more ? `; next: offset ${last + 1}` : ""}]`
        : ""
    return textResult(this.#shown.join("\n") + note, { lines: this.#count })
  }
}

/** Where a page of results stands among all of them. */
export interface ResultWindow {
  offset: number
  total: number
  /** There are more than `total`. */
  more: boolean
  maxChars: number
}

/** As many of the results as fit, and where to go on. */
export function pageOf(results: readonly string[], { offset, total, more, maxChars }: ResultWindow): string {
  if (results.length === 0) return `[there are only ${total} results]`
  const room = Math.max(500, maxChars - 100)
  const shown: string[] = []
  let chars = 0
  for (const line of results) {
    const text = line.length > room ? `${cut(line, room)}…` : line
    if (shown.length > 0 && chars + text.length > room) break
    shown.push(text)
    chars += text.length + 1
  }
  const last = offset + shown.length
  if (last < total || more)
    shown.push(`[results ${offset + 1}-${last} of ${more ? "more than " : ""}${total}; next: offset ${last}]`)
  return shown.join("\n")
}
