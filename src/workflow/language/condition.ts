// Conditions of steps: comparisons, "!", "&&", "||" and parentheses over literals and references (workflow-lobster.md §6.3). Every part is
// evaluated, so that a wrong reference is found whatever the rest says.
import { isDeepStrictEqual } from "node:util"
import { UnreadableText } from "../failure.ts"
import { lookUp, type Reference, referenceText, type StepResults, wholeReference } from "./reference.ts"

export type Condition =
  | { type: "literal"; value: unknown }
  | ({ type: "reference"; offset: number } & Reference)
  | { type: "not"; of: Condition }
  | { type: "and" | "or"; left: Condition; right: Condition }
  | { type: "compare"; operator: Comparison; left: Condition; right: Condition }

type Comparison = "==" | "!=" | "<" | "<=" | ">" | ">="

type Token =
  | { type: "string"; text: string; offset: number }
  | { type: "word" | "sign" | "end"; text: string; offset: number }

const TOKEN = /\s*(?:("(?:[^"\\]|\\[\s\S])*"|'(?:[^'\\]|\\[\s\S])*')|(&&|\|\||==|!=|<=|>=|[<>!()])|([^\s&|=!<>()"']+))/y
const COMPARISONS: readonly string[] = ["==", "!=", "<", "<=", ">", ">="]
const MAX_DEPTH = 100
const MAX_SHOWN = 200

/** Throws UnreadableText. */
export function parseCondition(text: string): Condition {
  return new Parser(text).whole()
}

class Parser {
  readonly #text: string
  readonly #tokens: Token[]
  #at = 0
  #depth = 0

  constructor(text: string) {
    this.#text = text
    this.#tokens = tokensOf(text)
  }

  whole(): Condition {
    const condition = this.#or()
    if (this.#next.type !== "end") throw this.#unexpected()
    return condition
  }

  get #next(): Token {
    return this.#tokens[this.#at]!
  }

  #take(...signs: string[]): string | undefined {
    const { type, text } = this.#next
    if (type !== "sign" || !signs.includes(text)) return undefined
    this.#at += 1
    return text
  }

  #or(): Condition {
    let left = this.#and()
    while (this.#take("||")) left = { type: "or", left, right: this.#and() }
    return left
  }

  #and(): Condition {
    let left = this.#compare()
    while (this.#take("&&")) left = { type: "and", left, right: this.#compare() }
    return left
  }

  #compare(): Condition {
    const left = this.#unary()
    const operator = this.#take(...COMPARISONS) as Comparison | undefined
    if (operator === undefined) return left
    return { type: "compare", operator, left, right: this.#unary(true) }
  }

  /** `right`: of a comparison, where a bare word is a string. */
  #unary(right = false): Condition {
    this.#depth += 1
    if (this.#depth > MAX_DEPTH)
      throw new UnreadableText(`The condition nests deeper than ${MAX_DEPTH} levels`, this.#next.offset)
    try {
      if (this.#take("!")) return { type: "not", of: this.#unary() }
      if (this.#take("(")) {
        const inner = this.#or()
        if (!this.#take(")")) throw this.#unexpected('")" is missing')
        return inner
      }
      return this.#value(right)
    } finally {
      this.#depth -= 1
    }
  }

  #value(right: boolean): Condition {
    const { type, text, offset } = this.#next
    if (type === "string") {
      this.#at += 1
      return { type: "literal", value: unescaped(text.slice(1, -1)) }
    }
    if (type !== "word") throw this.#unexpected()
    this.#at += 1
    const found = wholeReference(text)
    if (found) return { type: "reference", offset, ...found }
    if (text === "true" || text === "false") return { type: "literal", value: text === "true" }
    if (text === "null") return { type: "literal", value: null }
    if (/^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/.test(text)) return { type: "literal", value: Number(text) }
    if (right && !text.includes("$")) return { type: "literal", value: text }
    this.#at -= 1
    throw this.#unexpected()
  }

  #unexpected(why?: string): UnreadableText {
    const { text, offset, type } = this.#next
    const what = type === "end" ? "it ends too early" : `"${shown(text)}" is not expected here`
    return new UnreadableText(`The condition "${shown(this.#text)}" cannot be read: ${why ?? what}`, offset)
  }
}

/** Enough of a text to know it again. */
function shown(text: string): string {
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text
}

function tokensOf(text: string): Token[] {
  const tokens: Token[] = []
  TOKEN.lastIndex = 0
  for (let at = 0; text.slice(at).trim() !== ""; at = TOKEN.lastIndex) {
    TOKEN.lastIndex = at
    const match = TOKEN.exec(text)
    if (!match) {
      const offset = at + (text.slice(at).length - text.slice(at).trimStart().length)
      throw new UnreadableText(
        `The condition "${shown(text)}" cannot be read from "${text.slice(offset, offset + 20)}" on`,
        offset,
      )
    }
    const [whole, string, sign, word] = match
    const token = string ?? sign ?? word ?? ""
    const offset = at + whole.length - token.length
    tokens.push({ type: string !== undefined ? "string" : sign !== undefined ? "sign" : "word", text: token, offset })
  }
  tokens.push({ type: "end", text: "", offset: text.length })
  return tokens
}

function unescaped(text: string): string {
  return text.replace(/\\([\s\S])/g, (_, char: string) => ({ n: "\n", t: "\t", r: "\r" })[char] ?? char)
}

/** The references of a condition, left to right. */
export function referencesIn(condition: Condition): (Reference & { offset: number })[] {
  switch (condition.type) {
    case "literal":
      return []
    case "reference":
      return [condition]
    case "not":
      return referencesIn(condition.of)
    default:
      return [...referencesIn(condition.left), ...referencesIn(condition.right)]
  }
}

/** Throws UnreadableText for a step that there is not. */
export function holds(condition: Condition, results: StepResults): boolean {
  return Boolean(evaluate(condition, results))
}

function evaluate(condition: Condition, results: StepResults): unknown {
  switch (condition.type) {
    case "literal":
      return condition.value
    case "reference": {
      const { known, value } = lookUp(condition, results)
      if (known) return value
      throw new UnreadableText(`Unknown step reference ${shown(referenceText(condition))}`, condition.offset)
    }
    case "not":
      return !evaluate(condition.of, results)
    case "and":
    case "or": {
      const sides = [evaluate(condition.left, results), evaluate(condition.right, results)].map(Boolean)
      return condition.type === "and" ? sides.every(Boolean) : sides.some(Boolean)
    }
    case "compare":
      return compare(condition.operator, evaluate(condition.left, results), evaluate(condition.right, results))
  }
}

function compare(operator: Comparison, left: unknown, right: unknown): boolean {
  if (operator === "==") return isDeepStrictEqual(left, right)
  if (operator === "!=") return !isDeepStrictEqual(left, right)
  const [a, b] = [numberOf(left), numberOf(right)]
  if (a === undefined || b === undefined) return false
  if (operator === "<") return a < b
  if (operator === "<=") return a <= b
  return operator === ">" ? a > b : a >= b
}

function numberOf(value: unknown): number | undefined {
  if (typeof value === "number") return value
  if (typeof value !== "string" || value.trim() === "") return undefined
  const number = Number(value)
  return Number.isNaN(number) ? undefined : number
}
