// exec.approval.*: decisions that wait for a human, and the rules that their answers wrote. First answer wins.
import { z } from "zod"
import type { Resolver } from "../../agent/agent.ts"
import type { ApprovalDecision } from "../../protocol/approval.ts"
import { unknownApproval } from "../../store/approvals.ts"
import { type ApprovalAnswer, answered, approvalRow, DECISIONS, ruleRow } from "../approvals/approval-rows.ts"
import { type Caller, type Method, type MethodContext, method } from "./method.ts"
import { renamed } from "./params.ts"

export const approvalSchema = () =>
  z.looseObject({
    id: z.string(),
    kind: z.string().describe("tool, exec, elevated, workflow, device, skill or question"),
    request: z.looseObject({ command: z.string(), cwd: z.string(), agentId: z.string(), sessionKey: z.string() }),
    tool: z.string(),
    summary: z.string(),
    reason: z.string(),
    argv: z.array(z.array(z.string())).nullable().describe("Exact words of each program, where they are known before"),
    placement: z.looseObject({ type: z.string() }).nullable().describe("Where it would run"),
    taint: z.array(z.looseObject({ source: z.string(), detail: z.string() })),
    offer: z.looseObject({ text: z.string() }).nullable().describe('The rule that "allow-always" would write'),
    question: z
      .looseObject({ type: z.string(), message: z.string() })
      .nullable()
      .describe("Of kind question: a form with its schema, or a page to visit"),
    turnId: z.string().describe("The turn that asks, as runId; empty for what belongs to none"),
    callId: z.string(),
    elevated: z.string().describe("Elevated level of the session now"),
    createdAtMs: z.number(),
    expiresAtMs: z.number(),
    decision: z.string().nullable(),
    status: z.string().describe("pending, the decision, expired or canceled"),
  })

const ids = { id: ["requestId", "approvalId"] }
const id = () => z.string({ error: "id is required" }).min(1)
const answer = () =>
  z
    .record(z.string(), z.unknown())
    .optional()
    .describe('To a question, with "allow-once": its fields, as its schema says')
const sessionKey = () => z.string().min(1).optional().describe("Refused unless the approval belongs to this session")

async function pending({ parts }: MethodContext) {
  const elevated = await parts.elevations.all()
  const waiting = await parts.approvals.pending()
  return waiting.map((one) => approvalRow(one, elevated.get(one.sessionKey)?.level))
}

const list = method({
  name: "exec.approval.list",
  summary: "What waits for a decision, oldest first, as a bare array.",
  scope: "operator.approvals",
  params: () => z.object({}),
  result: () => z.array(approvalSchema()),
  run: (_params, context) => pending(context),
})

const listed = method({
  name: "exec.list",
  summary: "The same as {list, count}.",
  scope: "operator.approvals",
  params: () => z.object({}),
  result: () => z.object({ list: z.array(approvalSchema()), count: z.number() }),
  async run(_params, context) {
    const waiting = await pending(context)
    return { list: waiting, count: waiting.length }
  },
})

const get = method({
  name: "exec.approval.get",
  aliases: ["exec.get"],
  summary: "One approval, decided or not.",
  scope: "operator.approvals",
  normalize: (params) => renamed(params, ids),
  params: () => z.object({ id: id() }),
  result: approvalSchema,
  async run(params, { parts }) {
    const approval = await parts.approvals.get(params.id)
    if (!approval) throw unknownApproval(params.id)
    const elevation = await parts.elevations.of(approval.sessionKey)
    return approvalRow(approval, elevation?.level)
  },
})

/** Who decided, for the record: the device when there is one, else the kind of client. */
export function person(caller: Pick<Caller, "clientId" | "deviceId" | "user">): string {
  if (caller.user !== undefined) return `${caller.clientId} (user ${caller.user})`
  return caller.deviceId === undefined ? caller.clientId : `${caller.clientId} (device ${caller.deviceId.slice(0, 12)})`
}

async function decide(
  approvalId: string,
  decision: ApprovalDecision,
  { caller, parts }: MethodContext,
  resolver: Resolver,
): Promise<ApprovalAnswer> {
  return answered(await parts.approvals.resolve(approvalId, decision, person(caller), resolver))
}

const decided = () =>
  z.object({
    ok: z.boolean(),
    id: z.string(),
    decision: z.string(),
    reason: z.string().optional(),
    rule: z.string().optional().describe("The rule that was written"),
  })

const resolve = method({
  name: "exec.approval.resolve",
  aliases: ["tools.exec_approve"],
  summary: "Decides one approval; the first answer counts.",
  scope: "operator.approvals",
  normalize(params) {
    const out = renamed(params, ids)
    const { approved } = out
    if (out["decision"] === undefined && typeof approved === "boolean")
      out["decision"] = approved ? "allow-once" : "deny"
    return out
  },
  params: () =>
    z.object({
      id: id(),
      decision: z.enum(DECISIONS, { error: `must be one of ${DECISIONS.map((one) => `"${one}"`).join(", ")}` }),
      reason: z.string().max(2_000).optional().describe('With "deny": why; the model sees it'),
      answer: answer(),
      sessionKey: sessionKey(),
    }),
  result: decided,
  run: ({ id: approvalId, decision, ...resolver }, context) => decide(approvalId, decision, context, resolver),
})

function shorthand(name: string, decision: ApprovalDecision): Method {
  return method({
    name,
    summary: `exec.approval.resolve with "${decision}".`,
    scope: "operator.approvals",
    normalize: (params) => renamed(params, ids),
    params: () =>
      z.object({ id: id(), reason: z.string().max(2_000).optional(), answer: answer(), sessionKey: sessionKey() }),
    result: decided,
    run: ({ id: approvalId, ...resolver }, context) => decide(approvalId, decision, context, resolver),
  })
}

const rule = () =>
  z.looseObject({
    id: z.string(),
    scope: z.enum(["agent", "session"]),
    agentId: z.string(),
    sessionKey: z.string().nullable(),
    tool: z.string(),
    text: z.string(),
    createdAtMs: z.number(),
    createdBy: z.string(),
    lastUsedAtMs: z.number().nullable(),
    uses: z.number(),
  })

const rules = method({
  name: "approvals.rules.list",
  summary: "What answers allowed beyond one call: rules of agents, and calls for the rest of their session.",
  scope: "operator.approvals",
  params: () =>
    z.object({
      agentId: z.string().optional(),
      sessionKey: z.string().optional(),
      scope: z.enum(["agent", "session"]).optional(),
    }),
  result: () => z.object({ rules: z.array(rule()), count: z.number() }),
  async run(params, { parts }) {
    const found = (await parts.approvals.rules(params)).map(ruleRow)
    return { rules: found, count: found.length }
  },
})

const removeRule = method({
  name: "approvals.rules.remove",
  summary: "Removes a rule: what it let pass asks again.",
  scope: "operator.approvals",
  normalize: (params) => renamed(params, { id: ["ruleId"] }),
  params: () => z.object({ id: id() }),
  result: () => z.object({ ok: z.boolean(), removed: rule() }),
  async run(params, { caller, parts }) {
    return { ok: true, removed: ruleRow(await parts.approvals.removeRule(params.id, person(caller))) }
  },
})

export const approvalMethods: readonly Method[] = [
  list,
  listed,
  get,
  resolve,
  shorthand("exec.approve", "allow-once"),
  shorthand("exec.deny", "deny"),
  rules,
  removeRule,
]
