// The audit: read, verify, prune. For whoever may administer; nobody can write into it from outside. audit.activity.list: what agents did, in
// the words of the original gateway, without what was said or run.
import { z } from "zod"
import { PincerError } from "../../base/errors.ts"
import { AUDIT_TYPES } from "../../protocol/audit.ts"
import { resolveSession } from "../inbound.ts"
import type { Parts } from "../parts.ts"
import { ACTIVITY_KINDS, ACTIVITY_STATUSES, activityOf } from "../sessions/activity.ts"
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

const event = () =>
  z.looseObject({
    eventId: z.string(),
    sequence: z.number(),
    occurredAt: z.number(),
    kind: z.enum(ACTIVITY_KINDS),
    action: z.enum(["agent.run.started", "agent.run.finished", "tool.action.finished"]),
    status: z.enum(ACTIVITY_STATUSES),
    errorCode: z.string().optional(),
    actor: z.object({ type: z.enum(["agent", "system"]), id: z.string() }),
    agentId: z.string(),
    runId: z.string(),
    redaction: z.literal("metadata_only"),
  })

/** Params of audit.list in the original's words. */
const asked = () => ({
  agentId: z.string().min(1).optional(),
  runId: z.string().min(1).max(256).optional(),
  kind: z
    .enum([...ACTIVITY_KINDS, "message"])
    .optional()
    .describe("message: there are none without channels"),
  status: z.enum(ACTIVITY_STATUSES).optional(),
  cursor: z.string().max(40).optional().describe("nextCursor of the page before"),
})

const activity = method({
  name: "audit.activity.list",
  summary:
    "Runs of agents and calls of tools, newest first: who, when, which and how it ended, never what was said or run.",
  scope: "operator.read",
  normalize: (params) => renamed(params, { sessionKey: ["session", "key"] }),
  params: () =>
    z.object({
      ...asked(),
      sessionKey: z.string().min(1).optional(),
      direction: z.enum(["inbound", "outbound"]).optional(),
      channel: z.string().optional(),
      after: number().describe("ms since 1970"),
      before: number().describe("ms since 1970"),
      limit: count(500),
    }),
  result: () => z.object({ events: z.array(event()), nextCursor: z.string().optional() }),
  async run({ channel, direction, limit = PAGE, ...filter }, { parts }) {
    // Both are of messages of channels.
    if (channel !== undefined || direction !== undefined || filter.kind === "message") return { events: [] }
    return activityOf({ limit, ...filter, sessionKey: await keyOf(filter.sessionKey, parts) }, parts)
  },
})

async function keyOf(sessionKey: string | undefined, parts: Parts): Promise<string | undefined> {
  return sessionKey === undefined ? undefined : (await resolveSession({ sessionKey }, parts)).key
}

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
      ...asked(),
    }),
  result: () =>
    z.object({
      records: z.array(record()),
      count: z.number(),
      events: z
        .array(event())
        .optional()
        .describe(
          "As in audit.activity.list, unless one of after, before, newest, tool, type, since and until is given",
        ),
      nextCursor: z.string().optional(),
    }),
  async run({ agentId, cursor, kind, limit = PAGE, runId, status, ...filter }, { parts }) {
    const { after, before, newest, sessionKey, since, tool, type, until } = filter
    const own = [after, before, newest, since, tool, type, until].some((value) => value !== undefined)
    const wish = {
      agentId,
      cursor,
      kind,
      limit: Math.min(limit, 500),
      runId,
      status,
      sessionKey: await keyOf(sessionKey, parts),
    }
    const told = own ? {} : await activityOf(wish, parts)
    // Who asks in the original's words gets its events alone.
    const original = [agentId, cursor, kind, runId, status].some((value) => value !== undefined)
    const records = original ? [] : await parts.store.audit.list({ limit, ...filter })
    return { records, count: records.length, ...told }
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

export const auditMethods: readonly Method[] = [list, activity, get, verify, prune]
