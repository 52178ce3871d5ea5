// Reading values out of a parsed YAML (or JSON) file one by one: each knows where it stands, and whatever is wrong is noted there, all of it at
// once, instead of thrown.
import { isMap, isScalar, isSeq, Lexer, LineCounter, type Node, parseDocument, type YAMLMap } from "yaml"
import { nearWords } from "../../base/spelling.ts"
import { cut } from "../../base/text.ts"
import type { Problem, SourcePlace } from "../definition.ts"
import { MAX_DEPTH, withoutAliases } from "./aliases.ts"

const TOO_DEEP = "It nests too deeply to be read"
/** Nobody reads more of them, and a broken file can hold one a character. */
const MAX_PROBLEMS = 1_000
const MAX_MESSAGE = 1_000

export class ProblemBook {
  readonly problems: Problem[] = []
  readonly #places = new Map<string, SourcePlace>()
  readonly #file: string | undefined
  readonly #lines: LineCounter
  #hasError = false

  constructor(file: string | undefined, lines: LineCounter) {
    this.#file = file
    this.#lines = lines
  }

  placeOf(offset: number | undefined): SourcePlace {
    if (offset === undefined) return { line: 1, column: 1 }
    const { line, col } = this.#lines.linePos(offset)
    return { line: Math.max(1, line), column: Math.max(1, col) }
  }

  /** Where the value under a JSON pointer stands; that of what holds it when it was never looked at. */
  locate(pointer: string): SourcePlace {
    for (let at = pointer; ; at = at.slice(0, at.lastIndexOf("/"))) {
      const place = this.#places.get(at)
      if (place) return place
      if (at === "") return { line: 1, column: 1 }
    }
  }

  remember(pointer: string, place: SourcePlace): void {
    if (!this.#places.has(pointer)) this.#places.set(pointer, place)
  }

  note(level: Problem["level"], code: string, message: string, place: SourcePlace, pointer: string): void {
    const left = MAX_PROBLEMS - this.problems.length
    // Errors have the last word: they are what keeps a file from running.
    if (left <= 0 && (level !== "error" || this.#hasError)) return
    this.#hasError ||= level === "error"
    this.problems.push({
      level,
      code,
      message: message.length > MAX_MESSAGE ? `${cut(message, MAX_MESSAGE)}…` : message,
      ...(this.#file === undefined ? {} : { file: this.#file }),
      place,
      pointer,
    })
  }
}

/** A value in the file, or the lack of one. */
export class Field {
  readonly #book: ProblemBook
  readonly #node: Node | null
  readonly #offset: number
  readonly pointer: string

  constructor(book: ProblemBook, node: Node | null, offset: number, pointer: string) {
    this.#book = book
    this.#node = node
    this.#offset = offset
    this.pointer = pointer
  }

  get place(): SourcePlace {
    return this.#book.placeOf(this.#offset)
  }

  /** Where the value's text begins in the file; for a place within a text. */
  get offset(): number {
    return this.#offset
  }

  get isMap(): boolean {
    return isMap(this.#node)
  }

  get isList(): boolean {
    return isSeq(this.#node)
  }

  /** The value as plain data. */
  get value(): unknown {
    return this.#node === null ? null : plain(this.#node)
  }

  error(code: string, message: string): void {
    this.#book.note("error", code, message, this.place, this.pointer)
  }

  warn(code: string, message: string): void {
    this.#book.note("warning", code, message, this.place, this.pointer)
  }

  /** Members by key; not there or no map: noted, and empty. */
  members(what: string): Members {
    if (isMap(this.#node)) return new Members(this.#book, this, this.#node)
    this.error("type", `${what} must be an object with keys and values, not ${kindOf(this.value)}`)
    return new Members(this.#book, this, undefined)
  }

  elements(what: string): Field[] {
    if (!isSeq(this.#node)) {
      this.error("type", `${what} must be a list, not ${kindOf(this.value)}`)
      return []
    }
    return this.#node.items.map((item, i) => {
      const node = item as Node | null
      const field = new Field(this.#book, node, node?.range?.[0] ?? this.#offset, `${this.pointer}/${i}`)
      this.#book.remember(field.pointer, field.place)
      return field
    })
  }

  text(what: string): string | undefined {
    const { value } = this
    if (typeof value === "string") return value
    // YAML reads `run: true` and `id: 5` as other things than text; a scalar is taken as it was written.
    if (isScalar(this.#node) && value !== null && typeof value !== "object") {
      const source = this.#node.source
      this.error("type", `${what} must be text: put it in quotes, "${source ?? String(value)}"`)
      return source ?? String(value)
    }
    this.error("type", `${what} must be text, not ${kindOf(value)}`)
    return undefined
  }

  integer(what: string, min: number, max = 2_147_483_647): number | undefined {
    const { value } = this
    if (typeof value === "number" && Number.isInteger(value) && value >= min && value <= max) return value
    this.error("type", `${what} must be a whole number from ${min} to ${max}, not ${shown(value)}`)
    return undefined
  }

  number(what: string, min: number): number | undefined {
    const { value } = this
    if (typeof value === "number" && Number.isFinite(value) && value >= min) return value
    this.error("type", `${what} must be a number from ${min}, not ${shown(value)}`)
    return undefined
  }

  flag(what: string): boolean | undefined {
    const { value } = this
    if (typeof value === "boolean") return value
    this.error("type", `${what} must be true or false, not ${shown(value)}`)
    return undefined
  }

  oneOf<T extends string>(what: string, words: readonly T[]): T | undefined {
    const { value } = this
    const found = words.find((word) => word === value)
    if (found !== undefined) return found
    this.error("type", `${what} must be ${words.join(", ")}, not ${shown(value)}`)
    return undefined
  }

  /** A plain object. */
  record(what: string): Record<string, unknown> | undefined {
    const { value } = this
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>
    this.error("type", `${what} must be an object, not ${kindOf(value)}`)
    return undefined
  }
}

/** The members of one map. What nobody asked for is told at the end. */
export class Members {
  readonly #book: ProblemBook
  readonly #owner: Field
  readonly #fields = new Map<string, { key: Field; field: Field }>()
  readonly #asked = new Set<string>()

  constructor(book: ProblemBook, owner: Field, map: YAMLMap | undefined) {
    this.#book = book
    this.#owner = owner
    for (const pair of map?.items ?? []) {
      const keyNode = pair.key as Node | null
      const name = String(isScalar(keyNode) ? keyNode.value : "")
      const pointer = `${owner.pointer}/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`
      const at = keyNode?.range?.[0] ?? owner.offset
      const value = pair.value as Node | null
      const key = new Field(book, keyNode, at, pointer)
      const field = new Field(book, value, value?.range?.[0] ?? at, pointer)
      book.remember(pointer, field.place)
      this.#fields.set(name, { key, field })
    }
  }

  /** Absent: undefined. A null counts as absent, as it does for Lobster. */
  get(...names: string[]): Field | undefined {
    for (const name of names) this.#asked.add(name)
    for (const name of names) {
      const found = this.#fields.get(name)?.field
      if (found && found.value !== null) return found
    }
    return undefined
  }

  has(name: string): boolean {
    return this.get(name) !== undefined
  }

  /** All of them, whatever their names. */
  all(): [string, Field][] {
    for (const name of this.#fields.keys()) this.#asked.add(name)
    return [...this.#fields].map(([name, { field }]) => [name, field])
  }

  /** Keys that nobody asked for: noted with the nearest name. */
  rest(what: string, strict: boolean): void {
    for (const [name, { key }] of this.#fields) {
      if (this.#asked.has(name) || name.startsWith("x-")) continue
      const [near] = nearWords(name, [...this.#asked])
      const hint = near === undefined ? "" : `: did you mean "${near}"?`
      const message = `${what} has no key "${name}"${hint}`
      if (strict) key.error("unknown-key", message)
      else key.warn("unknown-key", message)
    }
  }

  get owner(): Field {
    return this.#owner
  }

  get book(): ProblemBook {
    return this.#book
  }
}

export interface ReadText {
  root: Field
  book: ProblemBook
}

/** Parses YAML 1.2, of which JSON is a part. What cannot be parsed is among the problems; the root is then empty. */
export function readNodes(text: string, file: string | undefined): ReadText {
  try {
    if (!nestsTooDeeply(text)) return parsed(text, file)
  } catch (error) {
    // The parser goes down with every level: too many of them are more than the stack holds.
    if (!(error instanceof RangeError)) throw error
  }
  const book = new ProblemBook(file, new LineCounter())
  book.note("error", "syntax", TOO_DEEP, { line: 1, column: 1 }, "")
  return { book, root: new Field(book, null, 0, "") }
}

/** Brackets within brackets, told from those within texts. The parser notes each that is open, over and over. */
function nestsTooDeeply(text: string): boolean {
  if ((text.match(/[[{]/g)?.length ?? 0) <= MAX_DEPTH) return false
  let depth = 0
  let before = ""
  for (const token of new Lexer().lex(text)) {
    // What follows this mark is a text.
    if (before !== "\u001f") {
      if (token === "[" || token === "{") depth += 1
      if (token === "]" || token === "}") depth -= 1
    }
    if (depth > MAX_DEPTH) return true
    before = token
  }
  return false
}

function parsed(text: string, file: string | undefined): ReadText {
  const lines = new LineCounter()
  const isJson = file?.toLowerCase().endsWith(".json") ?? false
  // The parser compares each key with every other: keys that stand twice are found without it.
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: false, prettyErrors: false })
  const book = new ProblemBook(file, lines)
  const wrong = (message: string, offset: number | undefined) =>
    book.note("error", "syntax", message, book.placeOf(offset), "")
  for (const { message, pos } of document.errors) {
    if (/^Maximum call stack/.test(message)) throw new RangeError(message)
    wrong(message.split("\n")[0] ?? "It cannot be read", pos[0])
  }
  const contents = document.errors.length > 0 ? undefined : withoutAliases(document.contents, !isJson, wrong)
  return { book, root: new Field(book, contents ?? null, contents?.range?.[0] ?? 0, "") }
}

function plain(node: unknown): unknown {
  if (isScalar(node)) return typeof node.value === "bigint" ? Number(node.value) : node.value
  if (isSeq(node)) return node.items.map(plain)
  if (isMap(node))
    return Object.fromEntries(
      node.items.map((pair) => [String(isScalar(pair.key) ? pair.key.value : ""), plain(pair.value)]),
    )
  return null
}

function kindOf(value: unknown): string {
  if (value === null || value === undefined) return "nothing"
  if (Array.isArray(value)) return "a list"
  return typeof value === "object" ? "an object" : `${typeof value} ${shown(value)}`
}

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? "nothing"
  return text.length > 60 ? `${text.slice(0, 60)}…` : text
}
