// Pieces that several methods share: the ways to name a session, spellings of one name, and small value schemas.
import { z } from "zod"
import { splitWords } from "../../base/words.ts"
import { PERMISSION_MODES, PRESETS } from "../../protocol/permission.ts"

export const THINKING = ["off", "minimal", "low", "medium", "high", "xhigh"] as const

/** The ways in which a caller may name a session (protocol §9.3); inbound.ts makes one canonical key of them. */
export const sessionFields = () => ({
  sessionKey: z.string().optional().describe('"agent:<agentId>:<rest>", or the rest alone'),
  key: z.string().optional().describe("The same as sessionKey"),
  agentId: z.string().optional(),
  sessionId: z
    .string()
    .optional()
    .describe('Id of the transcript, or a name within the agent; "default" is the main session'),
  path: z.string().optional().describe("A path that sessions.list returned"),
})

export const idempotencyKey = () =>
  z.string().min(1).max(256).optional().describe("Becomes the run id; a repeat acts only once")
/** The six dimensions (IM-PERM). Asking for more than the configured defaults needs operator.approvals. */
export const permissions = () =>
  z
    .strictObject({
      mode: z.enum(PERMISSION_MODES).optional(),
      preset: z.enum(PRESETS).optional(),
      allowedTools: z.array(z.string().min(1)).optional().describe("Empty: all tools"),
      deniedTools: z.array(z.string().min(1)).optional().describe("Always wins"),
      authPolicy: z.enum(["skip", "fail"]).optional(),
      nonInteractive: z.enum(["deny", "fail"]).optional(),
    })
    .optional()
    .describe("What this turn may do")
/** A command of the owner's own that runs this turn over ACP. Needs operator.admin (inbound.ts). */
export const agentCommand = () =>
  z
    .union([z.string(), z.array(z.string().max(10_000)).max(1_000)])
    .transform((given) => (typeof given === "string" ? splitWords(given) : given))
    .optional()
    .describe("Program and arguments of an external agent that runs this turn: a list, or text with quotes")
export const ttl = () =>
  z.number().min(0).optional().describe("Seconds that an external agent is kept after its last turn; 0 for ever")
export const lender = () =>
  z
    .string()
    .max(100)
    .optional()
    .describe("What this connection lends (client.lend) to the session may be used in the turn")
export const thinking = () => z.enum(THINKING).optional()

/** Takes the snake_case spelling of every key whose camelCase one is absent, and drops nulls: an absent value, here. */
export function tidy(params: Record<string, unknown>): Record<string, unknown> {
  const out: Record<string, unknown> = {}
  for (const [key, value] of Object.entries(params)) {
    if (value === null) continue
    const camel = key.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase())
    if (camel === key || params[camel] === undefined || params[camel] === null) out[camel] = value
  }
  return out
}

/** `tidy`, then further spellings: the first of `spellings` that is there becomes `name`. */
export function renamed(
  params: Record<string, unknown>,
  names: Record<string, readonly string[]>,
): Record<string, unknown> {
  const out = tidy(params)
  for (const [name, spellings] of Object.entries(names)) {
    if (out[name] !== undefined) continue
    const found = spellings.find((spelling) => out[spelling] !== undefined)
    if (found !== undefined) out[name] = out[found]
  }
  return out
}

/** An optional whole number with a ceiling: more than `max` is cut to it, as the original gateway's clients expect. */
export function count(max: number) {
  return z
    .number()
    .min(1)
    .transform((value) => Math.min(max, Math.floor(value)))
    .optional()
    .describe(`At most ${max}`)
}
