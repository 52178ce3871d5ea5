// openclaw.invoke and clawd.invoke: one tool of an OpenClaw gateway, once or for each item.
import { PincerError } from "../../base/errors.ts"
import type { Command, CommandContext, StageInput, StageResult } from "../command.ts"
import { collected, drained, isRecord, isSet, spread, textArg } from "./items.ts"
import { jsonArg } from "./json-args.ts"
import { gatewayEndpoint, posted } from "./tool-endpoint.ts"

function invoke(name: string): Command {
  return {
    name,
    description: "Calls a tool of an OpenClaw gateway",
    args: {
      tool: { type: "string", description: "Name of the tool", required: true },
      action: { type: "string", description: "What it is to do", required: true },
      "args-json": { type: "json", description: "Its arguments" },
      url: { type: "string", description: "The gateway; default OPENCLAW_URL" },
      token: { type: "string", description: "Default OPENCLAW_TOKEN, which is sent to this machine only" },
      "session-key": { type: "string", description: "The session it is done for" },
      "dry-run": { type: "boolean", description: "The tool is told not to act" },
      each: { type: "boolean", description: "Once for each item, one after another" },
      "item-key": { type: "string", description: "The argument that holds the item", default: "item" },
    },
    examples: [
      {
        text: `${name} --tool message --action send --args-json '{"to":"ann","message":"hi"}'`,
        description: "One call",
      },
    ],
    sideEffects: ["calls_clawd_tool"],
    effect: "once",
    run: (input, context) => call(name, input, context),
  }
}

async function call(name: string, { args, items }: StageInput, context: CommandContext): Promise<StageResult> {
  const tool = textArg(args, "tool")
  const action = textArg(args, "action")
  if (!tool || !action) throw new PincerError("INVALID_PARAMS", `${name} needs --tool and --action`)
  const given = jsonArg(args, "args-json", name) ?? {}
  const endpoint = gatewayEndpoint(args, context, name)
  if (!endpoint) throw new PincerError("INVALID_PARAMS", `${name} needs --url or OPENCLAW_URL`)
  const sessionKey = textArg(args, "session-key")
  const body = (own: unknown) => ({
    tool,
    action,
    args: own,
    ...(sessionKey === undefined ? {} : { sessionKey }),
    ...(isSet(args, "dry-run") ? { dryRun: true } : {}),
  })
  if (!isSet(args, "each")) {
    await drained(items)
    return { items: spread(await posted(endpoint, body(given), context, name)) }
  }
  if (!isRecord(given)) throw new PincerError("INVALID_PARAMS", `${name} --each needs --args-json to be an object`)
  const key = textArg(args, "item-key") ?? "item"
  const results: unknown[] = []
  for (const item of await collected(items)) {
    context.signal.throwIfAborted()
    const own = Object.fromEntries([...Object.entries(given), [key, item]])
    results.push(...spread(await posted(endpoint, body(own), context, name)))
  }
  return { items: results }
}

export const openclawInvoke = invoke("openclaw.invoke")
export const clawdInvoke = invoke("clawd.invoke")
