// map: wraps or unwraps each item, and sets fields from templates over the item as it came.
import { PincerError } from "../../base/errors.ts"
import type { Command } from "../command.ts"
import { at, fillPlain } from "../language/item-template.ts"
import { isRecord, textArg, turned } from "./items.ts"

export const map: Command = {
  name: "map",
  description: "Wraps, unwraps, or sets fields of each item",
  args: {
    wrap: { type: "string", description: "Put each item under this field" },
    unwrap: { type: "string", description: "Take the value of this field instead of the item" },
  },
  positional: { description: "field=template, where {{path}} is a value of the item", many: true },
  examples: [{ text: "map title={{subject}}", description: "A field more" }],
  sideEffects: [],
  effect: "read",
  run({ items, args }) {
    const [wrap, unwrap] = [textArg(args, "wrap"), textArg(args, "unwrap")]
    if (wrap !== undefined && unwrap !== undefined)
      throw new PincerError("INVALID_PARAMS", "map takes --wrap or --unwrap, not both")
    const fields = args._.flatMap((word) => {
      const equals = word.indexOf("=")
      return equals > 0 ? [{ name: word.slice(0, equals), template: word.slice(equals + 1) }] : []
    })
    return {
      items: turned(items, (item, give) => {
        if (unwrap !== undefined) {
          give(at(item, unwrap) ?? null)
          return
        }
        const whole = wrap === undefined ? item : record([[wrap, item]])
        if (fields.length === 0) give(whole)
        else {
          const base = isRecord(whole) ? Object.entries(whole) : [["value", whole] as const]
          give(record([...base, ...fields.map(({ name, template }) => [name, fillPlain(template, item)] as const)]))
        }
      }),
    }
  },
}

/** Also of fields such as "__proto__". */
function record(entries: readonly (readonly [string, unknown])[]): Record<string, unknown> {
  return Object.fromEntries(entries)
}
