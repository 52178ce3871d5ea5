// where: keeps the items for which a comparison holds. Comparison is JavaScript's loose one, as Lobster's is ("1" = 1), but null is less than
// nothing: `age<30` leaves out items without an age.

import { PincerError } from "../../base/errors.ts"
import type { Command } from "../command.ts"
import { at } from "../language/item-template.ts"
import { turned } from "./items.ts"

type Comparison = (a: never, b: never) => boolean

const OPERATORS: Readonly<Record<string, Comparison>> = {
  "==": loosely,
  "=": loosely,
  "!=": (a, b) => !loosely(a, b),
  "<=": (a, b) => a <= b,
  ">=": (a, b) => a >= b,
  "<": (a, b) => a < b,
  ">": (a, b) => a > b,
}
const EXPRESSION = /^\s*([\p{L}\p{N}_.]+)\s*(==|!=|<=|>=|=|<|>)\s*(.*?)\s*$/su

function loosely(a: unknown, b: unknown): boolean {
  // biome-ignore lint/suspicious/noDoubleEquals: Lobster's comparison is this one, and pipelines rely on "1" = 1.
  return a == b
}

export function parseWhere(text: string): { path: string; operator: string; value: unknown } {
  const match = EXPRESSION.exec(text)
  if (!match) throw new PincerError("INVALID_PARAMS", `where cannot read "${text}": write it like field=value`)
  return { path: match[1]!, operator: match[2]!, value: literal(match[3]!) }
}

function literal(text: string): unknown {
  if (text === "true" || text === "false") return text === "true"
  if (text === "null") return null
  return text !== "" && !Number.isNaN(Number(text)) ? Number(text) : text
}

export const where: Command = {
  name: "where",
  description: "Keeps the items for which a comparison holds",
  args: {},
  positional: { description: "path OP value; OP is = == != < <= > >=", required: true },
  examples: [{ text: "where age>=18", description: "Adults" }],
  sideEffects: [],
  effect: "read",
  run({ items, args }) {
    const [text] = args._
    if (text === undefined) throw new PincerError("INVALID_PARAMS", "where needs a comparison such as field=value")
    const { path, operator, value } = parseWhere(text)
    const compare = OPERATORS[operator] as (a: unknown, b: unknown) => boolean
    const ordered = operator.startsWith("<") || operator.startsWith(">")
    return {
      items: turned(items, (item, give) => {
        const found = at(item, path)
        if (ordered && (found === null || found === undefined)) return
        if (compare(found, value)) give(item)
      }),
    }
  },
}
