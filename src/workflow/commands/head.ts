// head: the first items; what comes before it is stopped once there are enough.
import { PincerError } from "../../base/errors.ts"
import type { Command } from "../command.ts"
import { Listed, textArg } from "./items.ts"

export const head: Command = {
  name: "head",
  description: "The first items",
  args: { n: { type: "number", description: "How many", default: 10 } },
  examples: [{ text: "head --n 3", description: "Three items" }],
  sideEffects: [],
  effect: "read",
  run({ items, args }) {
    const text = textArg(args, "n") ?? "10"
    const limit = text === "true" ? 1 : Number(text)
    if (text.trim() === "" || !(limit >= 0))
      throw new PincerError("INVALID_PARAMS", `head --n must be a number from 0, not "${text}"`)
    if (items instanceof Listed) return { items: items.list.slice(0, Math.ceil(limit)) }
    return {
      items: (async function* () {
        let left = limit
        if (left <= 0) return
        for await (const item of items) {
          yield item
          left -= 1
          if (left <= 0) return
        }
      })(),
    }
  },
}
