// What the agents' hands may do, as the configuration says it: permissions (the six dimensions) and policy (rules beyond names). Policy
// stands at the top and under each agent; every layer can only narrow.
import { z } from "zod"
import { compileSchema } from "../base/json-schema.ts"
import { PERMISSION_MODES, PRESETS } from "../protocol/permission.ts"

const names = z.array(z.string().min(1).max(200)).max(500)
const verdict = z.enum(["allow", "ask", "deny"])
const command = z.array(z.string().min(1)).min(1)
const clock = z.string().regex(/^([01]\d|2[0-3]):[0-5]\d$/, { error: 'must be a time such as "22:00"' })
const amount = z.number().int().min(0)

/** The six dimensions (IM-PERM); each key may be left out. */
export const permissions = z.strictObject({
  mode: z.enum(PERMISSION_MODES).optional(),
  preset: z.enum(PRESETS).optional(),
  /** Empty: all tools. */
  allowedTools: names.optional(),
  deniedTools: names.optional(),
  authPolicy: z.enum(["skip", "fail"]).optional(),
  nonInteractive: z.enum(["deny", "fail"]).optional(),
})

/** A file or a folder; relative ones lie below the workspace. Nothing here knows whose "~" is meant. */
const paths = z
  .array(
    z
      .string()
      .min(1)
      .max(4_000)
      .regex(/^(?!~)/, { error: 'must not begin with "~": write the whole path' }),
  )
  .max(500)
const lists = <T extends z.ZodType>(list: T) => z.strictObject({ allow: list.optional(), deny: list.optional() })

/** JSON Schema, tried out here: one that is not valid must not be found out at the first call. */
const argumentSchema = z.record(z.string(), z.unknown()).superRefine((schema, context) => {
  try {
    compileSchema(schema)
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    context.addIssue({ code: "custom", message: `is not a valid JSON Schema: ${why}` })
  }
})

/** What arguments may be. Denied beats allowed; what no entry of a non-empty `allow` covers is denied. */
const argumentRule = z.strictObject({
  tools: names.min(1),
  paths: lists(paths).optional(),
  hosts: lists(names).optional(),
  commands: lists(z.array(command)).optional(),
  schema: argumentSchema.optional(),
})

const rateRule = z.strictObject({
  tools: names.min(1),
  perTurn: amount.optional(),
  perMinute: amount.optional(),
  perDay: amount.optional(),
  /** Whose calls are counted; default: the sender's with this agent. */
  per: z.enum(["session", "sender", "agent"]).optional(),
})

const contextRule = z.strictObject({
  tools: names.min(1),
  when: z.strictObject({
    between: z.tuple([clock, clock]).optional(),
    days: z.array(z.number().int().min(0).max(6)).optional(),
    doors: names.optional(),
    channels: names.optional(),
    senders: names.optional(),
    tainted: z.boolean().optional(),
    subAgent: z.boolean().optional(),
  }),
  /** "allow" answers what the mode or taint would ask; it lifts no denial. */
  verdict,
})

const layer = {
  profile: z.enum(["minimal", "coding", "messaging", "full"]).optional(),
  allow: names.optional(),
  alsoAllow: names.optional(),
  deny: names.optional(),
  arguments: z.array(argumentRule).optional(),
  rates: z.array(rateRule).optional(),
  contexts: z.array(contextRule).optional(),
  /** Commands that run unasked where a command would ask: the resolved binary, then argument patterns. */
  commands: z.array(command).optional(),
  /** Hosts that may be contacted unasked. */
  hosts: names.optional(),
  tainted: z
    .strictObject({ exec: verdict.optional(), network: verdict.optional(), messages: verdict.optional() })
    .optional(),
}

const plain = z.strictObject(layer)
export type LayerSettings = z.infer<typeof plain>

/** A layer, and further ones that hold only for some. */
export const policy = z.strictObject({
  ...layer,
  /** "provider" or "provider/model". */
  byProvider: z.record(z.string().min(1), plain).optional(),
  byChannel: z
    .record(
      z.string().min(1),
      z.strictObject({
        ...layer,
        permissions: permissions.optional(),
        bySender: z.record(z.string().min(1), plain).optional(),
      }),
    )
    .optional(),
  /** For turns that other turns started. */
  subAgents: plain.optional(),
})
export type PolicySettings = z.infer<typeof policy>
