// dedupe: the first of equal items. Equal is what has the same JSON.
import type { Command } from "../command.ts"
import { at } from "../language/item-template.ts"
import { textArg, turned } from "./items.ts"

export const dedupe: Command = {
  name: "dedupe",
  description: "Keeps the first of equal items",
  args: { key: { type: "string", description: "Path of the field that makes them equal; default: the item itself" } },
  examples: [{ text: "dedupe --key id", description: "One item an id" }],
  sideEffects: [],
  effect: "read",
  run({ items, args }) {
    const key = textArg(args, "key")
    const seen = new Set<string | undefined>()
    return {
      items: turned(items, (item, give) => {
        const identity = JSON.stringify(key === undefined ? item : at(item, key))
        if (seen.has(identity)) return
        seen.add(identity)
        give(item)
      }),
    }
  },
}
