// Approvals and the rules that they wrote, as every wire shows them: methods, events and HTTP. Pure.
import { unreachable } from "../../base/errors.ts"
import type { Approval, ApprovalDecision } from "../../protocol/approval.ts"
import type { ElevatedLevel, Elevation } from "../../protocol/permission.ts"
import type { GrantRow } from "../../store/grants.ts"

export const DECISIONS = ["allow-once", "allow-session", "allow-always", "deny"] as const satisfies ApprovalDecision[]

/** An approval in the original gateway's field names (protocol §6.1), and what else a person must see to decide. */
export function approvalRow(approval: Approval, elevated: ElevatedLevel = "off") {
  const { decision } = approval
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
    rule: approval.rule ?? null,
    argv: approval.argv ?? null,
    placement: approval.placement ?? null,
    taint: approval.taint ?? [],
    offer: approval.offer ?? null,
    question: approval.question ?? null,
    elevated,
    runId: approval.turnId,
    turnId: approval.turnId,
    toolCallId: approval.callId,
    callId: approval.callId,
    createdAtMs: approval.createdAt,
    expiresAtMs: approval.expiresAt,
    decision: decision === "expired" || decision === "canceled" ? null : decision,
    status: decision ?? "pending",
    ...(approval.denyReason === undefined ? {} : { denyReason: approval.denyReason }),
    ...(approval.resolvedBy === undefined
      ? {}
      : { resolvedBy: approval.resolvedBy, resolvedAtMs: approval.resolvedAt }),
  }
}

export interface ApprovalAnswer {
  ok: true
  id: string
  decision: string
  reason?: string
  /** The rule that was written, as it was shown. */
  rule?: string
}

/** What the one who answered is told. */
export function answered({ decision, denyReason, id, offer }: Approval): ApprovalAnswer {
  return {
    ok: true,
    id,
    decision: decision ?? "",
    ...(denyReason === undefined ? {} : { reason: denyReason }),
    ...(decision === "allow-always" && offer ? { rule: offer.text } : {}),
  }
}

export function ruleRow(grant: GrantRow) {
  const { createdAt, lastUsedAt, ...rest } = grant
  return { ...rest, createdAtMs: createdAt, lastUsedAtMs: lastUsedAt }
}

/** What a session may now; "off" without an elevation. */
export function elevatedRow(sessionKey: string, elevation: Elevation | undefined) {
  return {
    sessionKey,
    level: elevation?.level ?? ("off" as const),
    grantedAtMs: elevation?.grantedAt ?? null,
    expiresAtMs: elevation?.expiresAt ?? null,
    grantedBy: elevation?.grantedBy ?? null,
  }
}

/** The same for the newer protocol's approval.* methods: what it would show, and how it came out, in their words. */
export function approvalRecord(approval: Approval, elevated: ElevatedLevel = "off") {
  const { agentId, decision, id, offer, question, resolvedBy, sessionKey, summary } = approval
  const allowedDecisions = ["allow-once" as const, ...(offer ? ["allow-always" as const] : []), "deny" as const]
  return {
    ...approvalRow(approval, elevated),
    urlPath: `/api/approvals/${encodeURIComponent(id)}`,
    presentation: {
      kind: "exec" as const,
      commandText: question?.message ?? summary,
      warningText: approval.reason,
      host: "gateway",
      agentId,
      allowedDecisions,
    },
    sourceSessionKey: sessionKey,
    source: { agentId, sessionKey },
    ...(resolvedBy === undefined ? {} : { resolver: { kind: "device" as const, id: resolvedBy } }),
    ...endingOf(decision),
  }
}

function endingOf(decision: Approval["decision"]) {
  switch (decision) {
    case null:
      return { status: "pending" }
    case "allow-once":
    case "allow-session":
    case "allow-always":
      return { status: "allowed", decision, reason: "user" }
    case "deny":
      return { status: "denied", decision, reason: "user" }
    case "expired":
      return { status: "expired", reason: "timeout" }
    case "canceled":
      return { status: "cancelled", reason: "run-aborted" }
    default:
      return unreachable(decision)
  }
}
