// approve: the line goes on only when a human says so.
import type { Command } from "../command.ts"
import { collected, isSet, textArg } from "./items.ts"

export const approve: Command = {
  name: "approve",
  description: "Goes on only when a human says so",
  args: {
    prompt: { type: "string", description: "What is asked", default: "Approve?" },
    emit: { type: "boolean", description: "Never ask on the terminal" },
    "preview-from-stdin": { type: "boolean", description: "Show the first items with the question" },
    limit: { type: "number", description: "How many items are shown", default: 5 },
  },
  positional: { description: "Words of the question", many: true },
  examples: [{ text: "approve --prompt 'Send these?'", description: "Before something that cannot be taken back" }],
  sideEffects: [],
  gates: true,
  effect: "read",
  async run({ items, args }, context) {
    const all = await collected(items)
    const limit = Number(textArg(args, "limit") ?? "5")
    const shown = all.slice(0, Number.isFinite(limit) && limit >= 0 ? limit : 5)
    const preview = isSet(args, "preview-from-stdin") && shown.length > 0 ? { preview: previewOf(shown) } : {}
    const { env } = context
    const different = env["LOBSTER_APPROVAL_REQUIRE_DIFFERENT_APPROVER"]
    await context.gate({
      type: "approval",
      prompt: textArg(args, "prompt") ?? "Approve?",
      items: all,
      ...preview,
      ...named("initiatedBy", env["LOBSTER_APPROVAL_INITIATED_BY"]),
      ...named("requiredApprover", env["LOBSTER_APPROVAL_REQUIRED_APPROVER"]),
      ...(different === undefined ? {} : { requireDifferentApprover: /^(?:1|true|yes)$/i.test(different) }),
    })
    return { items: all }
  },
}

/** Texts line by line, anything else as JSON. */
function previewOf(items: readonly unknown[]): string {
  return items.every((item) => typeof item === "string") ? items.join("\n") : JSON.stringify(items, null, 2)
}

function named<K extends string>(key: K, value: string | undefined): Partial<Record<K, string>> {
  return value === undefined || value === "" ? {} : ({ [key]: value } as Record<K, string>)
}
