// How many columns of a terminal a text takes. Chinese, Japanese, Korean and most emoji take two, combining marks none.

/** East Asian Wide and Fullwidth blocks (Unicode UAX #11), first and last code point of each. */
const WIDE: readonly (readonly [number, number])[] = [
  [0x1100, 0x115f],
  [0x2e80, 0x303e],
  [0x3041, 0x33ff],
  [0x3400, 0x4dbf],
  [0x4e00, 0x9fff],
  [0xa000, 0xa4cf],
  [0xa960, 0xa97f],
  [0xac00, 0xd7a3],
  [0xf900, 0xfaff],
  [0xfe30, 0xfe6f],
  [0xff00, 0xff60],
  [0xffe0, 0xffe6],
  [0x20000, 0x3fffd],
]
const NARROW_ONLY = /^[\x20-\x7e]*$/

function columns(grapheme: string): number {
  const code = grapheme.codePointAt(0) ?? 0
  if (code < 0x300) return code < 0x20 || (code >= 0x7f && code < 0xa0) ? 0 : 1
  if (/^[\p{Mn}\p{Me}\p{Cf}]/u.test(grapheme)) return 0
  if (/^\p{Emoji_Presentation}/u.test(grapheme) || grapheme.includes("\ufe0f")) return 2
  return WIDE.some(([first, last]) => code >= first && code <= last) ? 2 : 1
}

let segmenter: Intl.Segmenter | undefined

function graphemes(text: string): string[] {
  segmenter ??= new Intl.Segmenter(undefined, { granularity: "grapheme" })
  return Array.from(segmenter.segment(text), (part) => part.segment)
}

/** Columns of a text without escape sequences. */
export function widthOf(text: string): number {
  if (NARROW_ONLY.test(text)) return text.length
  return graphemes(text).reduce((sum, one) => sum + columns(one), 0)
}

/** The text in at most `max` columns, with "…" where something was left out; never inside a character. */
export function fit(text: string, max: number): string {
  if (widthOf(text) <= max) return text
  let shown = ""
  let width = 0
  for (const one of graphemes(text)) {
    width += columns(one)
    if (width > max - 1) break
    shown += one
  }
  return `${shown}…`
}

/** The text with blanks after it up to `width` columns. */
export function pad(text: string, width: number): string {
  return text + " ".repeat(Math.max(0, width - widthOf(text)))
}
