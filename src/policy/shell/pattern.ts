// Words of an allow-list entry: literal, or with "*" for any run of characters inside one word; a backslash takes the next character
// as it is. Matching is linear in what it is given: no regular expressions are built from entries.

/** What a literal word must look like in an entry, so that it means only itself. */
export function literalPattern(word: string): string {
  const escaped = word.replace(/[\\*]/g, "\\$&")
  return /^(?:>|<|sha256:)/.test(escaped) ? `\\${escaped}` : escaped
}

/** Runs of literal text between stars: "a*b" is ["a", "b"]. */
function partsOf(pattern: string): string[] {
  const parts = [""]
  for (let at = 0; at < pattern.length; at++) {
    const char = pattern[at]!
    if (char === "*") parts.push("")
    else if (char === "\\" && at + 1 < pattern.length) parts[parts.length - 1] += pattern[++at]!
    else parts[parts.length - 1] += char
  }
  return parts
}

export function matchesWord(pattern: string, word: string): boolean {
  const parts = partsOf(pattern)
  const [first, last] = [parts[0]!, parts.at(-1)!]
  if (parts.length === 1) return first === word
  if (word.length < first.length + last.length || !word.startsWith(first) || !word.endsWith(last)) return false
  const end = word.length - last.length
  let at = first.length
  for (const part of parts.slice(1, -1)) {
    const found = word.indexOf(part, at)
    if (found < 0 || found + part.length > end) return false
    at = found + part.length
  }
  return true
}
