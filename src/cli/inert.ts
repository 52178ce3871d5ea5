// Text from outside (models, tools, files, peers) made harmless for a terminal: no control character, no escape sequence and no
// invisible change of writing direction reaches the screen. What was there stays visible as a symbol.

/** C0 without tab and newline, DEL, C1, and the characters that reorder or hide text (bidirectional controls, line separators). */
const DANGEROUS = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g

function symbolOf(char: string): string {
  const code = char.charCodeAt(0)
  if (code < 0x20) return String.fromCharCode(0x2400 + code)
  if (code === 0x7f) return "\u2421"
  return `\\u${code.toString(16).padStart(4, "0")}`
}

/** The text with nothing in it that a terminal obeys, but newlines and tabs. A carriage return before a newline is dropped. */
export function inert(text: string): string {
  return text.replace(/\r(?=\n|$)/g, "").replace(DANGEROUS, symbolOf)
}

/** The same in one line: newlines become a visible sign. */
export function inertLine(text: string): string {
  return inert(text).replace(/\n+/g, " \u23ce ").replace(/\t/g, " ")
}

/** JSON text in which such characters are written as escapes: the same value, but nothing that a terminal obeys. */
export function inertJson(json: string): string {
  return json.replace(/[\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g, (char) => {
    return `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`
  })
}
