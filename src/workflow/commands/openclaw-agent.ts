// openclaw.agent: one turn of an agent of an installed OpenClaw, through its command line.
import { PincerError } from "../../base/errors.ts"
import type { Command, StageArgs } from "../command.ts"
import { collected, isSet, spread, textArg } from "./items.ts"

const NAME = "openclaw.agent"
const MAX_BYTES = 8 * 1024 * 1024
const PASSED = ["agent", "model", "session-key", "session-id", "thinking", "timeout"] as const

export const openclawAgent: Command = {
  name: NAME,
  description: "Runs one turn of an agent of an installed OpenClaw",
  args: {
    agent: { type: "string", description: "The agent" },
    "session-key": { type: "string", description: "The session, by key" },
    "session-id": { type: "string", description: "The session, by id" },
    prompt: { type: "string", description: "What is said" },
    message: { type: "string", description: "The same" },
    model: { type: "string", description: "The model" },
    thinking: { type: "string", description: "How long it thinks" },
    timeout: { type: "number", description: "Seconds" },
    local: { type: "boolean", description: "Without a gateway" },
  },
  positional: { description: "What is said, word by word", many: true },
  examples: [{ text: 'openclaw.agent --agent ops --prompt "Sum up the logs"', description: "One turn" }],
  sideEffects: ["calls_openclaw_agent"],
  effect: "once",
  async run({ args, items }, context) {
    if (!["agent", "session-key", "session-id"].some((name) => textArg(args, name)))
      throw new PincerError("INVALID_PARAMS", `${NAME} needs --agent, --session-key or --session-id`)
    const message = messageOf(args, await collected(items))
    const { cwd, env } = context
    const bin = env["LOBSTER_OPENCLAW_BIN"] || "openclaw"
    const options = PASSED.flatMap((name) => {
      const value = textArg(args, name)
      return value === undefined ? [] : [`--${name}`, value]
    })
    const argv = [
      bin,
      "agent",
      "--json",
      "--message",
      message,
      ...options,
      ...(isSet(args, "local") ? ["--local"] : []),
    ]
    const ran = await context.run({ line: { argv }, cwd, env, maxBytes: MAX_BYTES })
    if (ran.exitCode !== 0) {
      const said = ran.stderr.trim() || ran.stdout.trim() || bin
      throw new Error(`${NAME} failed (${ran.killedBy ?? ran.exitCode}): ${said.slice(0, 4_000)}`)
    }
    if (ran.spilled) throw new PincerError("TOO_LARGE", `${NAME}: the answer is in ${ran.spilled.file}`)
    try {
      return { items: spread(JSON.parse(ran.stdout)) }
    } catch (error) {
      throw new Error(`${NAME}: the answer is no JSON`, { cause: error })
    }
  },
}

function messageOf(args: StageArgs, items: readonly unknown[]): string {
  const said = textArg(args, "prompt") ?? textArg(args, "message") ?? args._.join(" ")
  if (said.trim() === "") throw new PincerError("INVALID_PARAMS", `${NAME} needs --prompt, --message or words`)
  if (items.length === 0) return said
  return `${said}\n\nPipeline input (JSONL):\n${items.map((item) => JSON.stringify(item)).join("\n")}`
}
