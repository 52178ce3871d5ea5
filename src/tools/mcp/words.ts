// Text of MCP servers, which is text from outside: without what cannot be seen, and never longer than agreed.
import { cut } from "../../base/text.ts"

/** Control and format characters, private use, unassigned, and the selectors that can carry hidden text; line breaks and tabs stay. */
const UNSEEN = /[^\P{C}\n\t]|[\u{e0100}-\u{e01ef}]/gu

export function seen(text: string, max: number): string {
  const clean = text.replace(UNSEEN, "").trim()
  return clean.length <= max ? clean : `${cut(clean, max - 1)}…`
}

/** The same in one line. */
export function seenLine(text: string, max: number): string {
  return seen(text.replace(/\s+/g, " "), max)
}
