// state.get, state.set and diff.last: values that outlive the run, by key.
import { PincerError } from "../../base/errors.ts"
import { canonicalJson } from "../../base/json.ts"
import type { Command, StageArgs } from "../command.ts"
import { collected, drained, single, textArg } from "./items.ts"

function keyOf(args: StageArgs, command: string): string {
  const key = textArg(args, "key") ?? args._[0]
  if (key !== undefined && key !== "") return stateKey(key)
  throw new PincerError("INVALID_PARAMS", `${command} needs a key`)
}

/** Keys that Lobster would keep in one file are one key here. */
export function stateKey(key: string): string {
  return key.toLowerCase().replace(/[^a-z0-9._\p{L}\p{N}-]/gu, "_")
}

export const stateGet: Command = {
  name: "state.get",
  description: "The value that is kept under a key; null when there is none",
  args: {},
  positional: { description: "The key", required: true },
  examples: [{ text: "state.get last-run", description: "What an earlier run left" }],
  sideEffects: ["reads_state"],
  effect: "read",
  async run({ items, args }, context) {
    const key = keyOf(args, "state.get")
    await drained(items)
    return { items: [(await context.state.get(key)) ?? null] }
  },
}

export const stateSet: Command = {
  name: "state.set",
  description: "Keeps the items under a key and passes them on",
  args: {},
  positional: { description: "The key", required: true },
  examples: [{ text: "state.set last-run", description: "For a later run" }],
  sideEffects: ["writes_state"],
  effect: "idempotent",
  async run({ items, args }, context) {
    const key = keyOf(args, "state.set")
    const value = single(await collected(items))
    await context.state.set(key, value)
    return { items: [value] }
  },
}

export const diffLast: Command = {
  name: "diff.last",
  description: "Compares the items with those of the last time, and keeps them",
  args: { key: { type: "string", description: "Under which they are kept" } },
  positional: { description: "The key" },
  examples: [{ text: "diff.last --key pr-12 | where changed=true", description: "Only what is new" }],
  sideEffects: ["reads_state", "writes_state"],
  effect: "idempotent",
  async run({ items, args }, context) {
    const key = keyOf(args, "diff.last")
    const after = single(await collected(items))
    const before = (await context.state.get(key)) ?? null
    const changed = canonicalJson(before) !== canonicalJson(after)
    await context.state.set(key, after)
    return { items: [{ kind: "diff.last", key: textArg(args, "key") ?? args._[0], changed, before, after }] }
  },
}
