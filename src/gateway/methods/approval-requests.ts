// Approvals that programs outside ask for, waiting for what is decided, and what was decided before; the leave that answers gave, by the
// newer protocol's names.
import { z } from "zod"
import { PincerError } from "../../base/errors.ts"
import type { Approval, ApprovalDecision } from "../../protocol/approval.ts"
import { approvalRecord, approvalRow, DECISIONS } from "../approvals/approval-rows.ts"
import { decisionOf } from "../approvals/decisions.ts"
import { requireAgent, resolveSession, type SessionParams } from "../inbound.ts"
import { approvalSchema, person } from "./approvals.ts"
import { type Method, type MethodContext, method } from "./method.ts"
import { count, renamed } from "./params.ts"

const MAX_WAIT_MS = 30 * 60_000
const ids = { id: ["requestId", "approvalId"] }
const id = () => z.string({ error: "id is required" }).min(1).max(256)

const shortly = (max: number) => z.string().max(max).optional()
const requestFields = () =>
  z.object({
    id: z.string().min(1).max(256).optional().describe("A repeat waits for the same decision"),
    command: z.string({ error: "command is required" }).trim().min(1).max(20_000),
    args: z.array(z.string().max(10_000)).max(1_000).optional(),
    cwd: shortly(4_096).describe("Also workingDir"),
    host: shortly(200),
    security: shortly(40),
    ask: shortly(40),
    agentId: z.string().min(1).optional(),
    sessionKey: z.string().min(1).optional(),
    sessionId: z.string().min(1).optional(),
    resolvedPath: shortly(4_096),
    timeoutMs: z.number().int().min(1).max(86_400_000).optional().describe("Default 120000"),
    twoPhase: z.boolean().optional().describe("A first response as soon as it is asked"),
  })

type Request = z.infer<ReturnType<typeof requestFields>>
const normalize = (params: Record<string, unknown>) => renamed(params, { ...ids, cwd: ["workingDir"] })

/** The approval that asks for this command; the one that is there, when its id was used for the same. */
async function asked(params: Request, context: MethodContext): Promise<Approval> {
  const { parts } = context
  const { id: wanted } = params
  const known = wanted === undefined ? undefined : await parts.approvals.get(wanted)
  if (known?.kind === "exec") return known
  try {
    return await ask(params, context)
  } catch (error) {
    // Somebody asked the same in this moment.
    const there = wanted === undefined || known ? undefined : await parts.approvals.get(wanted)
    if (there?.kind === "exec") return there
    throw error
  }
}

async function ask(params: Request, { caller, parts }: MethodContext): Promise<Approval> {
  const named: SessionParams = {}
  for (const name of ["agentId", "sessionKey", "sessionId"] as const)
    if (params[name] !== undefined) named[name] = params[name]
  const session = await resolveSession(named, parts)
  requireAgent(session.agentId, parts)
  const summary = [params.command, ...(params.args ?? [])].join(" ")
  const { cwd = "", host, id: wanted, resolvedPath, security, timeoutMs = 120_000 } = params
  const details = { host, security, ask: params.ask, resolvedPath }
  const given = Object.fromEntries(Object.entries(details).filter(([, value]) => value !== undefined))
  return parts.approvals.ask({
    kind: "exec",
    ...(wanted === undefined ? {} : { id: wanted }),
    sessionKey: session.key,
    agentId: session.agentId,
    tool: "Bash",
    args: { command: summary, ...given },
    summary,
    reason: `${person(caller)} asks whether it may run this${host === undefined ? "" : ` on ${host}`}`,
    cwd,
    timeoutMs,
  })
}

function answerOf(approval: Approval) {
  const { createdAtMs, decision, expiresAtMs, id: asking } = approvalRow(approval)
  return { id: asking, decision, createdAtMs, expiresAtMs }
}

const answer = () =>
  z.looseObject({
    id: z.string(),
    decision: z.string().nullable().describe("null: nobody answered in time, or not yet"),
    createdAtMs: z.number(),
    expiresAtMs: z.number(),
    status: z.literal("accepted").optional(),
  })

const request = method({
  name: "exec.approval.request",
  summary: "Asks whoever may approve whether a command may run, and waits for the decision.",
  scope: "operator.approvals",
  normalize,
  params: requestFields,
  result: answer,
  async run(params, context) {
    const { accept, caller, parts } = context
    const approval = await asked(params, context)
    if (params.twoPhase) accept({ ...answerOf(approval), status: "accepted" })
    return answerOf(await decisionOf(approval.id, parts, { signal: caller.signal }))
  },
})

const create = method({
  name: "exec.create",
  summary: "exec.approval.request without waiting: the approval as it was asked.",
  scope: "operator.approvals",
  normalize,
  params: requestFields,
  result: () => z.object({ request: approvalSchema() }),
  run: async (params, context) => ({ request: approvalRow(await asked(params, context)) }),
})

const wait = method({
  name: "exec.approval.waitDecision",
  aliases: ["plugin.approval.waitDecision"],
  summary: "Waits until an approval is decided.",
  scope: "operator.approvals",
  normalize: (params) => renamed(params, ids),
  params: () => z.object({ id: id(), timeoutMs: z.number().int().min(0).optional().describe("At most half an hour") }),
  result: answer,
  async run(params, { caller, parts }) {
    const timeoutMs = Math.min(params.timeoutMs ?? MAX_WAIT_MS, MAX_WAIT_MS)
    return answerOf(await decisionOf(params.id, parts, { signal: caller.signal, timeoutMs }))
  },
})

const grant = () =>
  z.looseObject({
    grantId: z.string(),
    agentId: z.string(),
    tool: z.string(),
    text: z.string(),
    createdAtMs: z.number(),
  })

const grantsList = method({
  name: "exec.approval.grants.list",
  summary: 'What answers allowed for longer, newest first; "approvals.rules.list" has all there is to it.',
  scope: "operator.approvals",
  params: () => z.object({ limit: count(1_000) }),
  result: () => z.object({ grants: z.array(grant()) }),
  async run({ limit = 200 }, { parts }) {
    const rules = await parts.approvals.rules()
    const grants = rules.toReversed().slice(0, limit)
    return {
      grants: grants.map(({ approvalId, createdAt, id: grantId, lastUsedAt, match: _, uses, ...rest }) => ({
        grantId,
        ...rest,
        mintedByApprovalId: approvalId,
        command: rest.text,
        cwd: null,
        cronJobId: "",
        cronJobName: null,
        createdAtMs: createdAt,
        expiresAtMs: null,
        revokedAtMs: null,
        revokedBy: null,
        lastUsedAtMs: lastUsedAt,
        useCount: uses,
      })),
    }
  },
})

const grantsRevoke = method({
  name: "exec.approval.grants.revoke",
  summary: "Takes back what an answer allowed for longer.",
  scope: "operator.approvals",
  normalize: (params) => renamed(params, { grantId: ["id"] }),
  params: () => z.object({ grantId: z.string({ error: "grantId is required" }).min(1).max(256) }),
  result: () => z.object({ outcome: z.enum(["revoked", "not-found"]) }),
  async run({ grantId }, { caller, parts }) {
    try {
      await parts.approvals.removeRule(grantId, person(caller))
      return { outcome: "revoked" as const }
    } catch (error) {
      if (error instanceof PincerError && error.code === "NOT_FOUND") return { outcome: "not-found" as const }
      throw error
    }
  },
})

async function shown(approval: Approval, { parts }: MethodContext) {
  const elevation = await parts.elevations.of(approval.sessionKey)
  return approvalRecord(approval, elevation?.level)
}

const get = method({
  name: "approval.get",
  summary: "One approval, decided or not, whatever asked for it.",
  scope: "operator.approvals",
  normalize: (params) => renamed(params, ids),
  params: () => z.object({ id: id() }),
  result: () => z.object({ approval: approvalSchema() }),
  async run(params, context) {
    const signal = AbortSignal.abort()
    return { approval: await shown(await decisionOf(params.id, context.parts, { signal }), context) }
  },
})

const resolve = method({
  name: "approval.resolve",
  summary: "Decides one approval; says whether this was the answer that counts.",
  scope: "operator.approvals",
  normalize: (params) => renamed(params, ids),
  params: () =>
    z.object({
      id: id(),
      kind: z.string().optional(),
      decision: z.enum(DECISIONS, { error: `must be one of ${DECISIONS.map((one) => `"${one}"`).join(", ")}` }),
      reason: z.string().max(2_000).optional(),
    }),
  result: () => z.object({ applied: z.boolean(), approval: approvalSchema() }),
  async run({ decision, id: approvalId, reason }, context) {
    const { caller, parts } = context
    const resolver = reason === undefined ? {} : { reason }
    const applied = await settles(
      parts.approvals.resolve(approvalId, decision as ApprovalDecision, person(caller), resolver),
    )
    const approval = applied ?? (await decisionOf(approvalId, parts, { signal: AbortSignal.abort() }))
    return { applied: applied !== undefined, approval: await shown(approval, context) }
  },
})

/** Undefined when somebody was first. */
async function settles(resolving: Promise<Approval>): Promise<Approval | undefined> {
  try {
    return await resolving
  } catch (error) {
    if (error instanceof PincerError && error.code === "CONFLICT") return undefined
    throw error
  }
}

/** What the newer protocol calls "exec"; other kinds are named as they are. */
const EXEC_KINDS = ["tool", "exec", "elevated", "workflow"]

const history = method({
  name: "approval.history",
  summary: "Approvals that are decided, newest first, in pages.",
  scope: "operator.approvals",
  params: () =>
    z.object({
      cursor: z.string().max(400).optional().describe("nextCursor of the page before"),
      limit: count(200),
      kind: z.string().max(40).optional(),
    }),
  result: () => z.object({ items: z.array(approvalSchema()), nextCursor: z.string().optional() }),
  async run({ cursor, kind, limit = 50 }, { parts }) {
    const before = cursor === undefined ? undefined : placeOf(cursor)
    const kinds = kind === undefined ? undefined : kind === "exec" ? EXEC_KINDS : [kind]
    const page = await parts.store.approvals.history({
      limit: limit + 1,
      ...(before ? { before } : {}),
      ...(kinds ? { kinds } : {}),
    })
    const items = page.slice(0, limit).map((one) => approvalRecord(one))
    const last = page.length > limit ? items.at(-1) : undefined
    return { items, ...(last ? { nextCursor: `${last.createdAtMs}.${last.id}` } : {}) }
  },
})

function placeOf(cursor: string): { createdAt: number; id: string } {
  const [, at, last] = /^(\d{1,16})\.(.+)$/.exec(cursor) ?? []
  if (at === undefined || last === undefined)
    throw new PincerError("INVALID_PARAMS", `cursor "${cursor}" is none that approval.history gave: leave it out`)
  return { createdAt: Number(at), id: last }
}

const plugins = method({
  name: "plugin.approval.list",
  summary: "What plugins wait for, as a bare array: always empty, as there are no plugins that ask.",
  scope: "operator.approvals",
  params: () => z.object({}),
  result: () => z.array(approvalSchema()),
  run: async () => [],
})

export const approvalRequestMethods: readonly Method[] = [
  request,
  create,
  wait,
  grantsList,
  grantsRevoke,
  get,
  resolve,
  history,
  plugins,
]
