// The audit: read, verify, prune. For whoever may administer; nobody can write into it from outside.
import { z } from "zod"
import { PincerError } from "../../base/errors.ts"
import { AUDIT_TYPES } from "../../protocol/audit.ts"
import { person } from "./approvals.ts"
import { type Method, method } from "./method.ts"
import { count, renamed } from "./params.ts"

const PAGE = 100
const MAX_PAGE = 1_000

const record = () =>
  z.looseObject({
    seq: z.number(),
    previous: z.string(),
    hash: z.string(),
    at: z.number(),
    type: z.enum(AUDIT_TYPES),
    who: z.string(),
    door: z.string(),
    agentId: z.string(),
    sessionKey: z.string(),
    turnId: z.string(),
    callId: z.string(),
    tool: z.string(),
    summary: z.string(),
    argsDigest: z.string(),
  })

const number = () => z.number().int().min(0).optional()

const list = method({
  name: "audit.list",
  summary: "Records of the audit, oldest first, or newest first with `newest`.",
  scope: "operator.admin",
  normalize: (params) => renamed(params, { sessionKey: ["session", "key"] }),
  params: () =>
    z.object({
      after: number().describe("Only records with a higher number"),
      before: number().describe("Only records with a lower number"),
      newest: z.boolean().optional(),
      limit: count(MAX_PAGE),
      sessionKey: z.string().min(1).optional(),
      tool: z.string().min(1).optional(),
      type: z.enum(AUDIT_TYPES).optional(),
      since: number().describe("ms since 1970, inclusive"),
      until: number().describe("ms since 1970, exclusive"),
    }),
  result: () => z.object({ records: z.array(record()), count: z.number() }),
  async run({ limit = PAGE, ...filter }, { parts }) {
    const records = await parts.store.audit.list({ limit, ...filter })
    return { records, count: records.length }
  },
})

const get = method({
  name: "audit.get",
  summary: "One record of the audit.",
  scope: "operator.admin",
  params: () => z.object({ seq: z.number().int().min(1) }),
  result: record,
  async run({ seq }, { parts }) {
    const found = await parts.store.audit.get(seq)
    if (!found)
      throw new PincerError("NOT_FOUND", `The audit has no record ${seq}: call audit.list to see what there is`)
    return found
  },
})

const verify = method({
  name: "audit.verify",
  summary: "Whether every record is there and as it was written; if not, the first that is not.",
  scope: "operator.admin",
  params: () => z.object({}),
  result: () =>
    z.object({
      ok: z.boolean(),
      records: z.number(),
      head: z.object({ seq: z.number(), hash: z.string() }).describe("The last record: note it elsewhere"),
      prunedThrough: z.number(),
      firstBad: z.number().optional(),
      reason: z.string().optional(),
    }),
  run: (_params, { parts }) => parts.store.audit.verify(),
})

const prune = method({
  name: "audit.prune",
  summary:
    "Removes records from before a time. A signed mark stays, from which the rest still verifies, and a record of it.",
  scope: "operator.admin",
  params: () => z.object({ before: z.number().int().min(1).describe("ms since 1970") }),
  result: () => z.object({ removed: z.number(), through: z.number() }),
  async run({ before }, { caller, parts }) {
    if (before > parts.clock.now())
      throw new PincerError("INVALID_PARAMS", `before: ${new Date(before).toISOString()} is in the future`)
    return parts.store.audit.prune(before, person(caller))
  },
})

export const auditMethods: readonly Method[] = [list, get, verify, prune]
