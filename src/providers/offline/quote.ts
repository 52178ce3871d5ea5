// Quoted pieces of a request are taken out before anything else looks at it, so that words inside them are never read as grammar.
// Each is replaced by one placeholder made of private-use characters: kind, number, end.

/** "tick": `…`; "fence": ```…```; "quote": "…", '…', “…”, ‘…’, 「…」, 『…』. */
export type QuoteKind = "tick" | "quote" | "fence"

export interface Quoted {
  /** The text with a placeholder for each quoted piece. */
  text: string
  pieces: Piece[]
}

export interface Piece {
  kind: QuoteKind
  /** Without its quotation marks. */
  text: string
  /** With them, as it was written. */
  raw: string
}

const MARKS: Readonly<Record<QuoteKind, string>> = { tick: "\ue000", quote: "\ue001", fence: "\ue002" }
const END = "\ue003"

/** Regex source of one placeholder of any kind, and of a backticked one. */
export const QUOTED = "[\\ue000-\\ue002]\\d+\\ue003"
export const TICKED = "\\ue000\\d+\\ue003"

const PIECES =
  /```[^\n`]*\n([\s\S]*?)```|`([^`\n]+)`|"([^"\n]*)"|“([^“”\n]*)”|‘([^‘’\n]*)’|「([^「」]*)」|『([^『』]*)』|(?<![\p{L}\p{N}])'([^'\n]*)'(?![\p{L}\p{N}])/gu

export function takeQuotes(input: string): Quoted {
  const pieces: Quoted["pieces"] = []
  const text = input.replace(/[\ue000-\ue003]/g, "").replace(PIECES, (raw: string, fence, tick, ...rest) => {
    const kind: QuoteKind = fence !== undefined ? "fence" : tick !== undefined ? "tick" : "quote"
    const inner = [fence, tick, ...rest.slice(0, 6)].find((piece) => piece !== undefined)
    pieces.push({ kind, text: String(inner ?? ""), raw })
    return `${MARKS[kind]}${pieces.length - 1}${END}`
  })
  // A fenced block on the next line belongs to the line before it. White space runs are cut to one character, so that patterns
  // with optional space in many places have only one way to match it: otherwise a run of blanks takes them minutes.
  return {
    text: text
      .normalize("NFC")
      .replace(/\s+/g, (run) => (run.includes("\n") ? "\n" : " "))
      .replace(/\n(?=\ue002)/g, " "),
    pieces,
  }
}

/** The quoted piece that a placeholder stands for; undefined for anything else. */
export function pieceOf(token: string, quoted: Quoted): Piece | undefined {
  const match = /^[\ue000-\ue002](\d+)\ue003$/.exec(token.trim())
  return match ? quoted.pieces[Number(match[1])] : undefined
}

/** `text` with every placeholder turned back into what was written. */
export function giveBack(text: string, quoted: Quoted): string {
  return text.replace(new RegExp(QUOTED, "g"), (token) => pieceOf(token, quoted)?.raw ?? "")
}
