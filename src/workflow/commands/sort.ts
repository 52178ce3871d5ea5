// sort: by a field or by the items themselves; numbers as numbers, anything else by its text; what has no value comes last.
import type { Command } from "../command.ts"
import { at } from "../language/item-template.ts"
import { collected, isSet, textArg } from "./items.ts"

export const sort: Command = {
  name: "sort",
  description: "Puts items in order; those that are equal keep theirs",
  args: {
    key: { type: "string", description: "Path of the field to go by; default: the item itself" },
    desc: { type: "boolean", description: "The greatest first" },
  },
  examples: [{ text: "sort --key updated --desc", description: "The newest first" }],
  sideEffects: [],
  effect: "read",
  async run({ items, args }) {
    const key = textArg(args, "key")
    const sign = isSet(args, "desc") ? -1 : 1
    const rows = (await collected(items)).map((item) => ({ item, by: key === undefined ? item : at(item, key) }))
    rows.sort((a, b) => {
      const [noA, noB] = [isNothing(a.by), isNothing(b.by)]
      if (noA || noB) return Number(noA) - Number(noB)
      return sign * compare(a.by, b.by)
    })
    return { items: rows.map((row) => row.item) }
  },
}

function isNothing(value: unknown): boolean {
  return value === undefined || value === null
}

function compare(a: unknown, b: unknown): number {
  if (typeof a === "number" && typeof b === "number") return a - b
  const [left, right] = [String(a), String(b)]
  return left < right ? -1 : left > right ? 1 : 0
}
