// Approvals of a turn that this client started, relayed to it. Whoever answers first decides; when somebody else did, the request to the
// client is withdrawn and the call goes on. A client that cannot ask has refused (OC-PERM-01).
import { asPincerError, PincerError } from "../../base/errors.ts"
import type { Approval } from "../../protocol/approval.ts"
import type { RecordedEvent } from "../../protocol/event.ts"
import { wordsOf } from "./params.ts"
import type { Bound, PermissionChoice, Room, RunningPrompt } from "./room.ts"

/** What may be answered; the id of an option is the decision. */
export function choicesOf(approval: Approval): PermissionChoice[] {
  const { offer } = approval
  return [
    { optionId: "allow-once", name: "Allow once", kind: "allow_once" },
    { optionId: "allow-session", name: "Allow for this session", kind: "allow_always" },
    ...(offer
      ? [{ optionId: "allow-always", name: `Always allow ${offer.text}`.slice(0, 300), kind: "allow_always" as const }]
      : []),
    { optionId: "deny", name: "Deny", kind: "reject_once" },
  ]
}

interface Answer {
  decision: string
  reason?: string
}

export function relayApproval(
  room: Room,
  session: Bound,
  prompt: RunningPrompt,
  event: Extract<RecordedEvent, { type: "approval.requested" | "approval.resolved" }>,
): void {
  const { approval } = event
  if (event.type === "approval.resolved") {
    prompt.withdraw(approval.id)
    return
  }
  const { kind, question } = approval
  // A question goes to the client that lends its ear, not through here. Behind one that shows none sits who would have to answer.
  if (prompt.canceled || (kind === "question" && (!question || room.client[question.type]))) return
  const signal = prompt.asking(approval.id)
  if (!signal) return
  const unseen = { decision: "deny", reason: "Their client shows no forms: ask in words" }
  const answering = kind === "question" ? Promise.resolve(unseen) : askLeave(room, session, approval, signal)
  relay(room, session, approval, answering, signal)
    .catch((error: unknown) => {
      const { message } = asPincerError(error)
      room.log.warn({ approval: approval.id, reason: message }, "An approval could not be relayed")
    })
    .finally(() => prompt.asked(approval.id))
}

async function relay(
  room: Room,
  session: Bound,
  approval: Approval,
  answering: Promise<Answer | undefined>,
  signal: AbortSignal,
): Promise<void> {
  const answer = await answering
  if (!answer || signal.aborted) return
  try {
    await room.gateway.request("exec.approval.resolve", { id: approval.id, sessionKey: session.key, ...answer })
  } catch (error) {
    // Somebody else was faster, or its turn has ended.
    if (error instanceof PincerError && (error.code === "NOT_FOUND" || error.code === "CONFLICT")) return
    throw error
  }
}

/** Undefined when nobody waits for it any more. */
async function askLeave(
  room: Room,
  session: Bound,
  approval: Approval,
  signal: AbortSignal,
): Promise<Answer | undefined> {
  const choices = choicesOf(approval)
  try {
    const chosen = await room.voice.askLeave(session, approval, choices, signal)
    if (chosen === undefined) return { decision: "deny", reason: "The client put the question off" }
    if (choices.some(({ optionId }) => optionId === chosen)) return { decision: chosen }
    return { decision: "deny", reason: "The client chose an option that was not offered" }
  } catch (error) {
    if (signal.aborted) return undefined
    return { decision: "deny", reason: `The client could not ask: ${wordsOf(error).slice(0, 300)}` }
  }
}
