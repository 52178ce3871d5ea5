// Approvals as events of both dialects (protocol §6.1): who may decide hears of each request and of how it ended, also when nobody answered. Pure.
import type { TurnEvent } from "../../protocol/event.ts"
import { approvalRow } from "../approvals/approval-rows.ts"
import type { Named } from "./project-claw.ts"

/** Undefined for any other event. */
export function projectApproval(event: TurnEvent, at: number): Named | undefined {
  if (event.type === "approval.requested")
    return { event: "exec.approval.requested", payload: approvalRow(event.approval) }
  if (event.type !== "approval.resolved") return undefined
  const { approval } = event
  const { decision } = approval
  const unanswered = decision === "expired" || decision === "canceled" ? { reason: decision } : {}
  const payload = { ...approvalRow(approval), ts: approval.resolvedAt ?? at, ...unanswered }
  return { event: "exec.approval.resolved", payload }
}
