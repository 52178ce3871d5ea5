// json: shows the items as JSON and yields none.
import type { Command } from "../command.ts"
import { collected } from "./items.ts"

export const json: Command = {
  name: "json",
  description: "Shows the items as JSON",
  args: {},
  examples: [{ text: "json", description: "For people" }],
  sideEffects: [],
  effect: "read",
  async run({ items }, context) {
    context.print(`${JSON.stringify(await collected(items), null, 2)}\n`)
    return { rendered: true }
  },
}
