// Cutting text without breaking it: never inside a surrogate pair, so Chinese and emoji survive.

/** The first `max` UTF-16 units of `text`, one fewer when that would split a surrogate pair. */
export function cut(text: string, max: number): string {
  if (text.length <= max) return text
  const last = text.charCodeAt(max - 1)
  return text.slice(0, last >= 0xd800 && last <= 0xdbff ? max - 1 : max)
}

/** `text` in one line of at most `max` units, with "…" where something was left out. */
export function excerpt(text: string, max: number): string {
  const line = text.replace(/\s+/g, " ").trim()
  return line.length <= max ? line : `${cut(line, max - 1)}…`
}

/**
 * A rough token count: four Latin characters or one CJK character make a token.
 * Used for limits and for usage marked `estimated`, never for billing.
 */
export function estimateTokens(text: string): number {
  let wide = 0
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) >= 0x2e80) wide += 1
  return Math.ceil((text.length - wide) / 4) + wide
}
