// A command as a person types it, as the words that a program is started with: blanks separate, quotes and backslashes hold together.
// No shell: nothing is expanded, and an operator is a word like any other.
import { PincerError } from "./errors.ts"

/** `'…'` is taken as it is; in `"…"` a backslash stands before `"` and `\`. Throws INVALID_PARAMS for a quote that is not closed. */
export function splitWords(text: string): string[] {
  const words: string[] = []
  let word: string | undefined
  for (let i = 0; i < text.length; i += 1) {
    const c = text[i]!
    if (c === "'" || c === '"') {
      const end = closing(text, i)
      const inside = text.slice(i + 1, end)
      word = (word ?? "") + (c === "'" ? inside : inside.replace(/\\(["\\])/g, "$1"))
      i = end
    } else if (c === "\\" && i + 1 < text.length) {
      word = (word ?? "") + text[i + 1]!
      i += 1
    } else if (/\s/.test(c)) {
      if (word !== undefined) words.push(word)
      word = undefined
    } else word = (word ?? "") + c
  }
  if (word !== undefined) words.push(word)
  return words
}

function closing(text: string, start: number): number {
  const quote = text[start]!
  for (let i = start + 1; i < text.length; i += 1) {
    if (text[i] === "\\" && quote === '"') i += 1
    else if (text[i] === quote) return i
  }
  throw new PincerError("INVALID_PARAMS", `The quote ${quote} is not closed: ${text.slice(start, start + 40)}`)
}
