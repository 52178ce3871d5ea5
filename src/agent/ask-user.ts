// A question that a tool of ours has for the user: first to the client that lends its ear to the turn, else to whoever answers
// approvals, who may take days: the turn is parked then. What was asked at the desk is answered there, also after a restart; a client's
// form that a crash cut off is asked again.
import { PincerError } from "../base/errors.ts"
import { uuid } from "../base/id.ts"
import { excerpt } from "../base/text.ts"
import type { Approval } from "../protocol/approval.ts"
import type { ToolCallPart } from "../protocol/message.ts"
import type { UserAnswer, UserQuestion } from "../protocol/question.ts"
import { answerProblem } from "./answer.ts"
import { canReachHuman } from "./attendance.ts"
import { argsDigest } from "./fingerprint.ts"
import { untilStopped } from "./hosted-hold.ts"
import type { Known } from "./leave.ts"
import type { CallRoom } from "./scene.ts"
import { Parked } from "./scope.ts"

export interface UserSaid {
  /** Undefined when nobody could be asked. */
  answer: UserAnswer | undefined
  /** What the model is told beside it. */
  remark?: string
}

/** Whether somebody can be asked in this turn. */
export function canAskUser({ expectsReturn, lent, ports, request }: Omit<CallRoom, "tools">): boolean {
  return lent?.ask !== undefined || expectsReturn || canReachHuman(ports, request)
}

/** Throws Parked while nobody has answered at the desk, and the turn's end. */
export async function askUser(
  room: CallRoom,
  call: ToolCallPart,
  key: string,
  tool: string,
  asking: UserQuestion,
): Promise<UserSaid> {
  const { ports, scope } = room
  // A secret is not shown, and not one of the choices.
  const question = ports.redactor.value(asking)
  const fingerprint = argsDigest({ question })
  const step = `${key}:question`
  const known = await ports.books.approvals.forStep(scope.fence.turnId, step)
  if (known) return answered(known, fingerprint)
  const told = await askClient(room, question)
  if (told) return told
  if (!room.expectsReturn && !canReachHuman(ports, room.request)) return { answer: undefined }
  const approval = approvalOf(room, call, tool, question)
  scope.show(await ports.books.approvals.ask(scope.fence, step, fingerprint, approval))
  ports.checkpoint("approval.asked")
  ports.asked(approval)
  throw new Parked(`Waiting for an answer to ${approval.id}`)
}

/** Undefined when the turn's client shows no questions, or is gone. */
async function askClient({ lent, ports, scope }: CallRoom, question: UserQuestion): Promise<UserSaid | undefined> {
  if (!lent?.ask) return undefined
  const late = new AbortController()
  const cancel = ports.clock.after(ports.settings.approvalTimeoutMs, () => late.abort())
  const signal = AbortSignal.any([scope.signal, late.signal])
  try {
    const answer = await untilStopped(lent.ask(question, signal), signal)
    scope.signal.throwIfAborted()
    if (!answer) return LATE
    if (answer.type !== "accepted") return { answer }
    const problem = answerProblem(question, answer.content)
    if (problem === undefined) return { answer }
    return { answer: { type: "canceled" }, remark: `What the client sent is no answer to the question: ${problem}` }
  } catch (error) {
    scope.signal.throwIfAborted()
    if (!(error instanceof PincerError)) throw error
    return late.signal.aborted ? LATE : undefined
  } finally {
    cancel()
  }
}

const LATE: UserSaid = { answer: { type: "canceled" }, remark: "Nobody answered in time" }

function answered({ approval, fingerprint }: Known, now: string): UserSaid {
  const { answer, decision, denyReason, id } = approval
  switch (decision) {
    case null:
      throw new Parked(`Waiting for an answer to ${id}`)
    case "deny":
      return { answer: { type: "declined" }, ...(denyReason ? { remark: `Their reason: ${denyReason}` } : {}) }
    case "expired":
      return LATE
    case "canceled":
      return { answer: { type: "canceled" } }
    case "allow-once":
    case "allow-session":
    case "allow-always":
      if (fingerprint === now) return { answer: { type: "accepted", content: answer ?? {} } }
      return { answer: { type: "canceled" }, remark: "The question has changed since it was answered" }
  }
}

function approvalOf(
  { cwd, ports, request, scope }: CallRoom,
  { callId }: ToolCallPart,
  tool: string,
  question: UserQuestion,
): Approval {
  const now = ports.clock.now()
  return {
    id: uuid(now),
    kind: "question",
    sessionKey: scope.fence.sessionKey,
    agentId: request.agentId,
    turnId: scope.fence.turnId,
    callId,
    tool,
    args: {},
    summary: excerpt(question.message, 2_000),
    reason: `${ports.agents.get(request.agentId)?.name ?? request.agentId} asks you something`,
    cwd,
    question,
    createdAt: now,
    expiresAt: now + ports.settings.approvalTimeoutMs,
    decision: null,
  }
}
