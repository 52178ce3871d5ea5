// pick: chosen fields of each item, in the order in which they are named.
import { PincerError } from "../../base/errors.ts"
import type { Command } from "../command.ts"
import { turned } from "./items.ts"

export const pick: Command = {
  name: "pick",
  description: "Keeps only the named fields of each item",
  args: {},
  positional: { description: "Fields, separated by commas", required: true },
  examples: [{ text: "pick id,title", description: "Two fields of each item" }],
  sideEffects: [],
  effect: "read",
  run({ items, args }) {
    const fields = (args._[0] ?? "").split(",").flatMap((field) => field.trim() || [])
    if (fields.length === 0) throw new PincerError("INVALID_PARAMS", "pick needs fields, separated by commas")
    return {
      items: turned(items, (item, give) => {
        if (typeof item !== "object" || item === null) {
          give(item)
          return
        }
        const source = item as Record<string, unknown>
        const out: Record<string, unknown> = {}
        for (const field of fields) if (Object.hasOwn(source, field)) set(out, field, source[field])
        give(out)
      }),
    }
  },
}

/** A plain assignment, except for the one name that would change the object itself. */
function set(out: Record<string, unknown>, field: string, value: unknown): void {
  if (field !== "__proto__") out[field] = value
  else Object.defineProperty(out, field, { value, enumerable: true, writable: true, configurable: true })
}
