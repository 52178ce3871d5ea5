// Gates: what is asked, who may answer, and with what. A token names a gate and says nothing else.
import { randomBytes, randomUUID } from "node:crypto"
import { compileSchema } from "../../base/json-schema.ts"
import type { ApprovalRequest, InputRequest } from "../../protocol/workflow.ts"
import type { GateRow } from "../../store/run-rows.ts"
import type { GateAnswer, GateRequest } from "../command.ts"
import { UnreadableText } from "../failure.ts"
import type { GateReply } from "./engine.ts"

/** A gate that says no time waits this long. */
export const GATE_DAYS = 30
const DAY_MS = 86_400_000
const MAX_TOKEN = 4_096
const STATE_KEY = /^(?:workflow|pipeline)[_-]resume[_-][0-9a-f-]{36}$/

export type RunKind = "pipeline-resume" | "workflow-file"

export function newGate(kind: RunKind): { id: string; token: string } {
  const word = kind === "workflow-file" ? "workflow_resume" : "pipeline_resume"
  const token = { protocolVersion: 1, v: 1, kind, stateKey: `${word}_${randomUUID()}` }
  return { id: randomBytes(4).toString("hex"), token: Buffer.from(JSON.stringify(token)).toString("base64url") }
}

export function expiryOf(now: number, timeoutMs: number | undefined): number {
  return now + (timeoutMs ?? GATE_DAYS * DAY_MS)
}

/** Throws UnreadableText unless the text has the form of a token. */
export function checkToken(token: string): void {
  const refuse = (cause?: unknown) =>
    new UnreadableText("Invalid token: use the resumeToken of the envelope", undefined, cause)
  if (token.length > MAX_TOKEN) throw refuse()
  let value: unknown
  try {
    value = JSON.parse(Buffer.from(token, "base64url").toString("utf8"))
  } catch (error) {
    throw refuse(error)
  }
  if (typeof value !== "object" || value === null || !("stateKey" in value) || typeof value.stateKey !== "string")
    throw refuse()
  if (!STATE_KEY.test(value.stateKey)) throw refuse()
}

/** The answer as it is kept. Throws UnreadableText when this reply cannot answer this gate; the gate then waits on. */
export function answerOf(gate: GateRow, reply: Exclude<GateReply, { type: "cancel" }>): GateAnswer {
  const request = gate.request as unknown as GateRequest
  const by = reply.by === undefined ? {} : { by: reply.by }
  if (request.type === "approval") {
    if (reply.type !== "approve") throw new UnreadableText("This gate asks for an approval: answer yes or no")
    if (!reply.approved)
      return { type: "rejected", ...by, ...(reply.reason === undefined ? {} : { reason: reply.reason }) }
    checkApprover(request, reply.by)
    return { type: "approved", ...by }
  }
  if (reply.type !== "respond")
    throw new UnreadableText("This gate asks for a response: answer with JSON that fits its schema")
  const problem = compileSchema(request.responseSchema as Record<string, unknown>)(reply.response)
  if (problem !== undefined) throw new UnreadableText(`The response does not fit the schema: ${problem}`)
  return { type: "answered", response: reply.response, ...by }
}

function checkApprover(request: Extract<GateRequest, { type: "approval" }>, by: string | undefined): void {
  const { initiatedBy, requiredApprover, requireDifferentApprover } = request
  if (requiredApprover !== undefined && by !== requiredApprover)
    throw new UnreadableText(`Only ${requiredApprover} may approve this: it was answered by ${by ?? "nobody by name"}`)
  if (!requireDifferentApprover) return
  if (by === undefined)
    throw new UnreadableText("Whoever approves this must give a name, which differs from the initiator's")
  if (initiatedBy === undefined || by === initiatedBy)
    throw new UnreadableText(`Somebody else than ${initiatedBy ?? "the initiator"} must approve this`)
}

/** A gate as the envelope shows it. */
export function shownGate(gate: Pick<GateRow, "id" | "token" | "request">): {
  requiresApproval: ApprovalRequest | null
  requiresInput: InputRequest | null
} {
  const request = gate.request as unknown as GateRequest
  const ways = { resumeToken: gate.token, approvalId: gate.id }
  if (request.type === "approval") {
    const { type: _, ...rest } = request
    return { requiresApproval: { type: "approval_request", ...rest, ...ways }, requiresInput: null }
  }
  const { type: _, ...rest } = request
  return { requiresApproval: null, requiresInput: { type: "input_request", ...rest, ...ways } }
}

/** A gate that asks whether a step which was cut off has acted. */
export function isDoubt({ path }: { path: string }): boolean {
  return path.includes("?uncertain")
}
