// Secrets known by value, and the forms in which they travel: base64 at any alignment, URL, JSON, HTML, hex. Found by a table over
// three characters, so that text without one costs a table look-up per character.

const MIN_LENGTH = 6
const MAX_VALUES = 20_000
/** A longer secret is looked for piece by piece, so that little has to be held back. */
const MAX_PIECE = 256
/** Shorter encoded forms are left: they could be anything. */
const MIN_ENCODED = 8

export type ValueVerdict =
  | { type: "no" }
  /** The text ends within what could be one. */
  | { type: "maybe" }
  | { type: "found"; to: number }

const NO: ValueVerdict = { type: "no" }
const MAYBE: ValueVerdict = { type: "maybe" }

export class SecretValues {
  readonly #known = new Set<string>()
  /** By the first three characters, longest first. */
  readonly #byStart = new Map<string, string[]>()
  readonly #table = new Uint8Array(1 << 16)

  /** Takes a secret and its encoded forms; too short ones are left. */
  add(secret: string): void {
    const value = secret.trim()
    if (value.length < MIN_LENGTH || this.#known.has(value) || this.#known.size >= MAX_VALUES) return
    for (const form of formsOf(value)) for (const piece of piecesOf(form)) this.#insert(piece)
    // Keys in files have lines, each of which is telling.
    if (value.includes("\n"))
      for (const line of value.split("\n")) if (line.trim().length >= 24) this.#insert(line.trim().slice(0, MAX_PIECE))
  }

  #insert(form: string): void {
    if (form.length < MIN_LENGTH || this.#known.has(form)) return
    this.#known.add(form)
    const start = form.slice(0, 3)
    this.#table[slot(form, 0)] = 1
    const others = this.#byStart.get(start) ?? []
    others.push(form)
    others.sort((a, b) => b.length - a.length)
    this.#byStart.set(start, others)
  }

  /** Whether one may start here. Needs three characters. */
  mayStart(text: string, at: number): boolean {
    return this.#table[slot(text, at)] === 1
  }

  /** The next place from `at` on that is in `telling` or where one may start; the text's length when there is none. */
  next(text: string, at: number, telling: Uint8Array): number {
    const table = this.#table
    const last = text.length - 2
    let [first, second] = [text.charCodeAt(at), text.charCodeAt(at + 1)]
    for (; at < last; at++) {
      const third = text.charCodeAt(at + 2)
      if (telling[first] === 1 || table[((first * 31 + second) * 31 + third) & 0xffff] === 1) return at
      first = second
      second = third
    }
    while (at < text.length && telling[text.charCodeAt(at)] !== 1) at += 1
    return at
  }

  /** The longest secret that starts here; `final`: nothing will follow the text. */
  at(text: string, at: number, final: boolean): ValueVerdict {
    const candidates = this.#byStart.get(text.slice(at, at + 3))
    if (candidates === undefined) return NO
    const left = text.length - at
    for (const value of candidates) {
      if (value.length <= left) {
        if (text.startsWith(value, at)) return { type: "found", to: at + value.length }
      } else if (!final && value.startsWith(text.slice(at))) return MAYBE
    }
    return NO
  }
}

function slot(text: string, at: number): number {
  return ((text.charCodeAt(at) * 31 + text.charCodeAt(at + 1)) * 31 + text.charCodeAt(at + 2)) & 0xffff
}

function formsOf(value: string): Set<string> {
  const forms = new Set([value])
  const bytes = Buffer.from(value, "utf8")
  const escaped = JSON.stringify(value).slice(1, -1)
  forms.add(escaped)
  forms.add(JSON.stringify(escaped).slice(1, -1))
  // A lone surrogate cannot be written in a URL.
  if (value.isWellFormed()) {
    const inUrl = encodeURIComponent(value)
    forms.add(inUrl)
    forms.add(inUrl.replace(/%[0-9A-F]{2}/g, (code) => code.toLowerCase()))
    forms.add(inUrl.replaceAll("%20", "+"))
    forms.add(inUrl.replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`))
  }
  forms.add(value.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;"))
  forms.add(bytes.toString("hex"))
  forms.add(bytes.toString("hex").toUpperCase())
  for (const form of base64Forms(bytes)) if (form.length >= MIN_ENCODED) forms.add(form)
  return forms
}

/** What stays the same of the base64 of a text that holds these bytes, for each of the three ways in which they can lie in it. */
function base64Forms(bytes: Buffer): string[] {
  const forms: string[] = []
  for (const offset of [0, 1, 2]) {
    const encoded = Buffer.concat([Buffer.alloc(offset), bytes])
      .toString("base64")
      .replace(/=+$/, "")
    const rest = (offset + bytes.length) % 3
    const core = encoded.slice([0, 2, 3][offset], rest === 0 ? encoded.length : encoded.length - 1)
    forms.push(core, core.replaceAll("+", "-").replaceAll("/", "_"))
  }
  return forms
}

function piecesOf(form: string): string[] {
  const size = Math.ceil(form.length / Math.ceil(form.length / MAX_PIECE))
  const pieces: string[] = []
  for (let at = 0; at < form.length; at += size) pieces.push(form.slice(at, at + size))
  return pieces
}
