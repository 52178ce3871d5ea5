// Markdown for a terminal, while it streams. What is certain is written at once; only what may still turn out to be a mark (the
// start of a line, an open **, ` or [) is held back until it is closed or the line ends. Nothing is ever written twice, so it needs
// no cursor movement, and no character is lost: a mark that is never closed is shown as it stands.
import { inert } from "./inert.ts"
import type { Screen, Style } from "./screen.ts"

/** Longest text held back behind an open mark. */
const MAX_HELD = 400

type Pen = Pick<Screen, "write" | "paint" | "width">

export class MarkdownStream {
  readonly #pen: Pen
  /** The line so far, while its kind is not known. */
  #head = ""
  /** Text of a known line that is not written yet. */
  #held = ""
  /** How text of this line is painted; undefined while the kind of the line is not known. */
  #style: ((text: string) => string) | undefined
  /** The line is shown as it stands: code, or the fence around it. */
  #raw = false
  /** The fence that closes the code block we are in. */
  #fence: string | undefined
  /** The character written last, for marks that count only at a word's edge. */
  #last = " "

  constructor(pen: Pen) {
    this.#pen = pen
  }

  /** Whether something was written on the line that is open now. */
  get midLine(): boolean {
    return this.#head !== "" || this.#style !== undefined
  }

  write(chunk: string): void {
    const lines = inert(chunk).split("\n")
    const rest = lines.pop() ?? ""
    for (const line of lines) {
      this.#add(line)
      this.#endLine()
    }
    this.#add(rest)
  }

  /** The text is complete: what was held back is written, and an open line is closed. */
  end(): void {
    if (this.midLine) this.#endLine()
    this.#fence = undefined
  }

  #add(text: string): void {
    if (text === "") return
    if (this.#style === undefined) {
      this.#head += text
      if (this.#undecided(this.#head)) return
      this.#open()
    } else this.#held += text
    this.#flow(false)
  }

  #endLine(): void {
    if (this.#style === undefined) this.#open()
    this.#flow(true)
    this.#pen.write("\n")
    this.#style = undefined
    this.#raw = false
    this.#held = ""
    this.#head = ""
    this.#last = " "
  }

  /** Whether a line that begins so may still become more than one kind. */
  #undecided(head: string): boolean {
    if (this.#fence !== undefined) return this.#fence.startsWith(head.trimStart()) || head.trim() === ""
    if (/^\s*([-*_]\s*){2,}$/.test(head)) return true
    return (
      /^\s{0,12}(#{0,6}|[-*+](\s+(\[[ xX]?\]?)?)?|\d{1,4}[.)]?|>|`{1,3}[^`\s]*|~{1,3}[^~\s]*)$/.test(head) &&
      !/^\s*[^\s#*+\d>`~-]/.test(head)
    )
  }

  /** The kind of the line is known: writes its mark and chooses how its text looks. */
  #open(): void {
    const head = this.#head
    const { paint } = this.#painters()
    this.#head = ""
    if (this.#fence !== undefined) {
      this.#openCode(head)
      return
    }
    const fence = /^\s*(`{3,}|~{3,})(.*)$/.exec(head)
    if (fence) {
      this.#fence = fence[1]!
      this.#raw = true
      this.#style = (text) => paint(text, "dim")
      this.#held = head
      return
    }
    const heading = /^(#{1,6})\s+(.*)$/.exec(head)
    if (heading) {
      const level = heading[1]!.length
      this.#style = (text) => (level === 1 ? paint(text, "bold", "underline") : paint(text, "bold"))
      this.#held = heading[2]!
      return
    }
    if (/^\s*([-*_])(\s*\1){2,}\s*$/.test(head)) {
      this.#style = (text) => text
      this.#pen.write(paint("─".repeat(Math.min(40, this.#pen.width)), "dim"))
      return
    }
    const item = /^(\s*)([-*+])\s+(?:\[([ xX])\]\s+)?(.*)$/.exec(head)
    if (item) {
      const box = item[3] === undefined ? "•" : item[3] === " " ? "☐" : "☑"
      this.#pen.write(`${item[1]}${box} `)
      this.#plain(item[4]!)
      return
    }
    const quote = /^\s*>\s?(.*)$/.exec(head)
    if (quote) {
      this.#pen.write(paint("│ ", "dim"))
      this.#style = (text) => paint(text, "italic")
      this.#held = quote[1]!
      return
    }
    this.#plain(head)
  }

  #plain(text: string): void {
    this.#style = (shown) => shown
    this.#held = text
  }

  #openCode(head: string): void {
    const { paint } = this.#painters()
    this.#held = head
    this.#raw = true
    if (this.#fence !== undefined && head.trim().startsWith(this.#fence) && /^\s*[`~]+\s*$/.test(head)) {
      this.#fence = undefined
      this.#style = (text) => paint(text, "dim")
    } else this.#style = (text) => paint(text, "cyan")
  }

  #painters() {
    return { paint: this.#pen.paint.bind(this.#pen) }
  }

  /** Writes what is certain of the held text; all of it when the line is complete. */
  #flow(complete: boolean): void {
    const style = this.#style
    if (style === undefined) return
    if (this.#raw) {
      this.#put(this.#held, style)
      this.#held = ""
      return
    }
    while (this.#held !== "") {
      const at = this.#held.search(/[*_`[!\\]/)
      if (at !== 0) {
        const plain = at < 0 ? this.#held : this.#held.slice(0, at)
        this.#put(plain, style)
        this.#held = this.#held.slice(plain.length)
        continue
      }
      const token = this.#token(this.#held, complete)
      if (token === undefined) {
        if (!complete && this.#held.length < MAX_HELD) return
        this.#put(this.#held[0]!, style)
        this.#held = this.#held.slice(1)
        continue
      }
      this.#put(token.shown, (text) => style(token.paint(text)), token.last)
      this.#held = this.#held.slice(token.length)
    }
  }

  #put(text: string, style: (text: string) => string, last: string = text.at(-1) ?? this.#last): void {
    if (text === "") return
    this.#pen.write(style(text))
    this.#last = last
  }

  /** The span that begins here; undefined when it is not closed yet. A mark that opens nothing is a span of itself. */
  #token(text: string, complete: boolean): Span | undefined {
    const literal = (length = 1): Span => ({ shown: text.slice(0, length), length, paint: (shown) => shown })
    const first = text[0]!
    if (first === "\\") {
      if (text.length < 2) return undefined
      return /[!-/:-@[-`{-~]/.test(text[1]!) ? { shown: text[1]!, length: 2, paint: (shown) => shown } : literal()
    }
    if (first === "`") return this.#code(text, complete, literal)
    if (first === "[" || first === "!") return this.#link(text, complete, literal)
    return this.#emphasis(text, complete, literal)
  }

  #code(text: string, complete: boolean, literal: (length?: number) => Span): Span | undefined {
    const ticks = /^`+/.exec(text)![0]
    if (ticks.length === text.length && !complete) return undefined
    const end = new RegExp(`(?<!\`)${ticks}(?!\`)`).exec(text.slice(ticks.length))
    if (!end) return complete ? literal(ticks.length) : undefined
    // More ticks may follow: then this is not the end.
    if (ticks.length + end.index + ticks.length === text.length && !complete) return undefined
    const inside = text.slice(ticks.length, ticks.length + end.index)
    const shown = /^ .+ $/.test(inside) ? inside.slice(1, -1) : inside
    const { paint } = this.#painters()
    return { shown, length: inside.length + 2 * ticks.length, paint: (code) => paint(code, "cyan") }
  }

  #link(text: string, complete: boolean, literal: (length?: number) => Span): Span | undefined {
    if (text[0] === "!" && text.length > 1 && text[1] !== "[") return literal()
    const link = /^!?\[((?:[^[\]\\]|\\.)*)\]\(([^()\s]*(?:\([^()\s]*\)[^()\s]*)*)(?:\s+"[^"]*")?\)/.exec(text)
    if (link) {
      const [whole, label = "", url = ""] = link
      const { paint } = this.#painters()
      if (label === "" && url === "") return literal(whole.length)
      if (label === "" || label === url)
        return { shown: url, length: whole.length, paint: (shown) => paint(shown, "underline") }
      return {
        shown: `${label} (${url})`,
        length: whole.length,
        paint: () => `${paint(label, "underline")} ${paint(`(${url})`, "dim")}`,
      }
    }
    const mayStillBe = /^!?(\[((?:[^[\]\\]|\\.)*)(\](\([^()\n]*(\([^()]*\)?[^()]*)?)?)?)?$/.test(text)
    return !complete && mayStillBe ? undefined : literal()
  }

  #emphasis(text: string, complete: boolean, literal: (length?: number) => Span): Span | undefined {
    const marks = /^(\*+|_+)/.exec(text)![0]
    const mark = marks[0]!
    if (marks.length === text.length) return complete ? literal(marks.length) : undefined
    // *.txt and src/**/x are names of files, whatever Markdown says.
    const opens = /[^\s./,;:)\]}|]/.test(text[marks.length]!) && (mark === "*" || !/[\p{L}\p{N}]/u.test(this.#last))
    if (!opens || marks.length > 3) return literal(marks.length)
    const body = text.slice(marks.length)
    const escaped = marks.replaceAll("*", "\\*")
    const edge = mark === "*" ? "\\*" : "_"
    const word = mark === "_" ? "(?![\\p{L}\\p{N}])" : ""
    const end = new RegExp(`(?<=[^\\s${edge}])${escaped}(?!${edge})${word}`, "u").exec(body)
    if (!end) return complete ? literal(marks.length) : undefined
    if (!complete && marks.length + end.index + marks.length === text.length) return undefined
    const inside = body.slice(0, end.index)
    const { paint } = this.#painters()
    const styles: Style[] = marks.length === 1 ? ["italic"] : marks.length === 2 ? ["bold"] : ["bold", "italic"]
    const pieces = inside.split(/`([^`]+)`/)
    const painted = pieces.map((piece, i) => (i % 2 === 1 ? paint(piece, "cyan", ...styles) : paint(piece, ...styles)))
    return {
      shown: pieces.join(""),
      length: inside.length + 2 * marks.length,
      paint: () => painted.join(""),
      last: mark,
    }
  }
}

interface Span {
  /** Without its marks. */
  shown: string
  /** Units of the source that it takes. */
  length: number
  paint: (shown: string) => string
  last?: string
}
