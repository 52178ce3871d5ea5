// exec.approval.*: decisions that wait for a human. First answer wins.
import { z } from "zod"
import { PincerError } from "../../base/errors.ts"
import type { Approval, ApprovalDecision } from "../../protocol/approval.ts"
import { type Caller, type Method, type MethodContext, method } from "./method.ts"
import { renamed } from "./params.ts"

const row = () =>
  z.looseObject({
    id: z.string(),
    request: z.looseObject({ command: z.string(), cwd: z.string(), agentId: z.string(), sessionKey: z.string() }),
    tool: z.string(),
    summary: z.string(),
    reason: z.string(),
    createdAtMs: z.number(),
    expiresAtMs: z.number(),
    decision: z.string().nullable(),
  })

/** An approval as the wire shows it: what a person is asked, in the original gateway's field names (protocol §6.1). */
export function approvalRow(approval: Approval) {
  return {
    id: approval.id,
    kind: approval.kind,
    request: {
      command: approval.summary,
      cwd: approval.cwd,
      host: "gateway",
      security: null,
      ask: null,
      resolvedPath: null,
      agentId: approval.agentId,
      sessionKey: approval.sessionKey,
    },
    tool: approval.tool,
    args: approval.args,
    summary: approval.summary,
    reason: approval.reason,
    runId: approval.turnId,
    toolCallId: approval.callId,
    createdAtMs: approval.createdAt,
    expiresAtMs: approval.expiresAt,
    decision: approval.decision === "expired" ? null : approval.decision,
    status: approval.decision ?? "pending",
    ...(approval.resolvedBy === undefined
      ? {}
      : { resolvedBy: approval.resolvedBy, resolvedAtMs: approval.resolvedAt }),
  }
}

const ids = { id: ["requestId", "approvalId"] }
const id = () => z.string({ error: "id is required" }).min(1)

async function pending({ parts }: MethodContext) {
  return (await parts.approvals.pending()).map(approvalRow)
}

const list = method({
  name: "exec.approval.list",
  summary: "What waits for a decision, oldest first, as a bare array.",
  scope: "operator.approvals",
  params: () => z.object({}),
  result: () => z.array(row()),
  run: (_params, context) => pending(context),
})

const listed = method({
  name: "exec.list",
  summary: "The same as {list, count}.",
  scope: "operator.approvals",
  params: () => z.object({}),
  result: () => z.object({ list: z.array(row()), count: z.number() }),
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
  result: row,
  async run(params, { parts }) {
    const approval = await parts.approvals.get(params.id)
    if (!approval)
      throw new PincerError("NOT_FOUND", "unknown approval id", {
        details: { code: "APPROVAL_NOT_FOUND", id: params.id },
      })
    return approvalRow(approval)
  },
})

/** Who decided, for the record: the device when there is one, else the kind of client. */
function person(caller: Caller): string {
  return caller.deviceId === undefined ? caller.clientId : `${caller.clientId} (device ${caller.deviceId.slice(0, 12)})`
}

async function decide(approvalId: string, decision: ApprovalDecision, { caller, parts }: MethodContext) {
  const approval = await parts.approvals.resolve(approvalId, decision, person(caller))
  return { ok: true, id: approval.id, decision: approval.decision }
}

const decided = () => z.object({ ok: z.boolean(), id: z.string(), decision: z.string() })

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
      decision: z.enum(["allow-once", "allow-always", "deny"], {
        error: 'must be "allow-once", "allow-always" or "deny"',
      }),
    }),
  result: decided,
  run: (params, context) => decide(params.id, params.decision, context),
})

function shorthand(name: string, decision: ApprovalDecision): Method {
  return method({
    name,
    summary: `exec.approval.resolve with "${decision}".`,
    scope: "operator.approvals",
    normalize: (params) => renamed(params, ids),
    params: () => z.object({ id: id() }),
    result: decided,
    run: (params, context) => decide(params.id, decision, context),
  })
}

export const approvalMethods: readonly Method[] = [
  list,
  listed,
  get,
  resolve,
  shorthand("exec.approve", "allow-once"),
  shorthand("exec.deny", "deny"),
]
