// groupBy: items with the same value of a field together, in the order in which the values first came.
import type { Command } from "../command.ts"
import { at } from "../language/item-template.ts"
import { collected, requiredArg } from "./items.ts"

export const groupBy: Command = {
  name: "groupBy",
  description: "Puts items with the same value of a field together",
  args: { key: { type: "string", description: "Path of the field", required: true } },
  examples: [{ text: "groupBy --key from", description: "One group a sender" }],
  sideEffects: [],
  effect: "read",
  async run({ items, args }) {
    const path = requiredArg(args, "key", "groupBy")
    const groups = new Map<string | undefined, { key: unknown; items: unknown[]; count: number }>()
    for (const item of await collected(items)) {
      const key = at(item, path)
      const identity = JSON.stringify(key)
      const group = groups.get(identity) ?? { key, items: [], count: 0 }
      group.items.push(item)
      group.count += 1
      groups.set(identity, group)
    }
    return { items: groups.values() }
  },
}
