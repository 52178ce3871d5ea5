// The options of `ask` and `ask_stream` as IMClaw's clients send them (IM-RPC-04): flat snake_case words, lists as text with commas.
import { z } from "zod"
import { PincerError } from "../../base/errors.ts"
import { PERMISSION_MODES, type Permissions, PRESETS } from "../../protocol/permission.ts"
import { agentCommand, lender, permissions, renamed, ttl } from "../methods/params.ts"
import { content } from "../said-parts.ts"

const MAX_PROMPT = 500_000

export const askParams = () =>
  z.object({
    content: z
      .string({ error: "Missing required param: content" })
      .max(MAX_PROMPT, { error: `content is too long: at most ${MAX_PROMPT} characters` }),
    agent: z.string().optional(),
    session: z.string().optional().describe("Also session_id; default: this connection's own session"),
    channel: z.string().optional().describe("Has no effect"),
    permissions: permissions(),
    cwd: z.string().optional().describe("Absolute path"),
    model: z.string().min(1).optional(),
    suppressReads: z.boolean().optional().describe("Leave what was read out of the tool events"),
    maxTurns: z.number().int().min(1).max(1_000).optional().describe("Model calls in this turn"),
    promptRetries: z.number().int().min(0).max(10).optional().describe("Ask again when the turn failed"),
    timeout: z.number().min(0).optional().describe("Seconds; 0 for the configured limit"),
    agentCommand: agentCommand(),
    ttl: ttl(),
    parts: content().describe("What is said when it is more than text: content may be this list, too"),
    lender: lender(),
    idempotencyKey: z.string().min(1).max(256).optional(),
  })
export type AskParams = z.infer<ReturnType<typeof askParams>>

/** Every spelling of the options as the canonical one. An unknown word is refused by name. */
export function normalizeAsk(params: Record<string, unknown>): Record<string, unknown> {
  const out = renamed(params, {
    content: ["message", "prompt", "text"],
    session: ["sessionId", "sessionKey"],
    agent: ["agentName", "agentId"],
  })
  if (Array.isArray(out["content"])) {
    out["parts"] = out["content"]
    out["content"] = ""
  }
  out["permissions"] = permissionsOf(out)
  for (const name of ["maxTurns", "promptRetries", "timeout", "ttl"])
    if (typeof out[name] === "string" && /^\d+$/.test(out[name])) out[name] = Number(out[name])
  return out
}

function permissionsOf(out: Record<string, unknown>): Permissions | undefined {
  const given = out["permissions"]
  if (given !== undefined && typeof given !== "string") return given as Permissions
  const made: Permissions = {
    ...(given ? { mode: oneOf(given, PERMISSION_MODES, "permissions") } : {}),
    ...word(out, "permissionPreset", PRESETS, "preset"),
    ...word(out, "authPolicy", ["skip", "fail"] as const, "authPolicy"),
    ...word(out, "nonInteractivePermissions", ["deny", "fail"] as const, "nonInteractive"),
    ...list(out, "allowedTools"),
    ...list(out, "deniedTools"),
  }
  return Object.keys(made).length === 0 ? undefined : made
}

function word<const W extends string, N extends string>(
  out: Record<string, unknown>,
  from: string,
  words: readonly W[],
  to: N,
): { [name in N]?: W } {
  const value = out[from]
  if (value === undefined || value === "") return {}
  return { [to]: oneOf(value, words, from) } as { [name in N]?: W }
}

function oneOf<const W extends string>(value: unknown, words: readonly W[], name: string): W {
  const found = words.find((known) => known === value)
  if (found !== undefined) return found
  throw new PincerError("INVALID_PARAMS", `${name}: "${String(value).slice(0, 60)}" is not one of ${words.join(", ")}`)
}

/** "Bash,Read" or a list; empty text is an empty list, which means all tools. */
function list(out: Record<string, unknown>, name: "allowedTools" | "deniedTools"): Permissions {
  const value = out[name]
  if (value === undefined) return {}
  if (typeof value !== "string" && !(Array.isArray(value) && value.every((item) => typeof item === "string")))
    throw new PincerError("INVALID_PARAMS", `${name} must be tool names with commas between, or a list of them`)
  const names = (typeof value === "string" ? value.split(",") : (value as string[])).map((one) => one.trim())
  return { [name]: names.filter((one) => one !== "") }
}
