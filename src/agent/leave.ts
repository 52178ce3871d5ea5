// A human's leave for one call: asked once per step, bound to exactly what would run, taken up after any restart. Parks the turn while
// nobody has answered.
import { uuid } from "../base/id.ts"
import type { Approval } from "../protocol/approval.ts"
import type { ToolCallPart } from "../protocol/message.ts"
import { errorResult, type ToolResult } from "../tools/tool.ts"
import { fingerprintOf, standingOf } from "./approvals.ts"
import { offerOf } from "./offer.ts"
import type { Ports } from "./ports.ts"
import type { CallRoom, Judged, Judgement, SceneRoom } from "./scene.ts"
import { Parked } from "./scope.ts"
import { beforeView } from "./view.ts"

export type Known = NonNullable<Awaited<ReturnType<Ports["books"]["approvals"]["forStep"]>>>

/** Undefined when the call may run; the refusal when not. Throws Parked while nobody has answered. `asking` is told before it asks. */
export async function leaveFor(
  room: CallRoom,
  call: ToolCallPart,
  key: string,
  judged: Judged,
  known: Known | undefined,
  title: string,
  asking: () => Promise<void>,
): Promise<ToolResult | undefined> {
  const { cwd, ports, scope } = room
  const { args, decision, facts, tool, touch } = judged
  const { env } = ports.toolSettings.exec
  const { command } = facts
  const { placement } = decision
  const fingerprint = fingerprintOf({
    tool: tool.name,
    args,
    cwd,
    touch,
    placement,
    env,
    ...(command ? { command } : {}),
    ...(tool.fingerprint === undefined ? {} : { says: tool.fingerprint }),
  })
  if (known) return answered(known, { ...scope.fence, fingerprint })
  const session = await ports.books.grants.exact(scope.fence.sessionKey, fingerprint)
  if (session) {
    await ports.books.grants.used(session.id)
    return undefined
  }
  await asking()
  const summary = touch.command === undefined ? `${tool.name} ${title}` : ports.redactor.text(touch.command)
  const approval = approvalFor(room, { callId: call.callId, args, summary }, judged)
  scope.show(await ports.books.approvals.ask(scope.fence, key, fingerprint, approval))
  ports.checkpoint("approval.asked")
  ports.asked(approval)
  throw new Parked(`Waiting for approval ${approval.id}`)
}

/** What a human is asked about a call. `summary` has gone through the redactor. */
export function approvalFor(
  { cwd, ports, request, scope }: SceneRoom,
  call: { callId: string; args: Record<string, unknown>; summary: string },
  { decision, facts }: Judgement,
): Approval {
  const { redactor } = ports
  const now = ports.clock.now()
  const offer = offerOf(facts, decision, request.agentId)
  const argv = facts.command?.segments.map((segment) => segment.argv.map((word) => redactor.text(word ?? "…")))
  return {
    id: uuid(now),
    kind: "tool",
    sessionKey: scope.fence.sessionKey,
    agentId: request.agentId,
    turnId: scope.fence.turnId,
    callId: call.callId,
    tool: facts.tool,
    args: redactor.value(call.args),
    summary: call.summary,
    view: beforeView(facts),
    reason: decision.reason,
    rule: decision.rule,
    cwd,
    placement: decision.placement,
    ...(argv && argv.length > 0 ? { argv } : {}),
    ...(decision.taint.length > 0 ? { taint: decision.taint } : {}),
    ...(offer ? { offer } : {}),
    createdAt: now,
    expiresAt: now + ports.settings.approvalTimeoutMs,
    decision: null,
  }
}

/** What an approval that was asked before means now. Throws Parked while nobody has answered. */
function answered(
  known: Known,
  now: { sessionKey: string; turnId: string; fingerprint: string },
): ToolResult | undefined {
  const standing = standingOf(known, now)
  switch (standing.type) {
    case "waiting":
      throw new Parked(`Waiting for approval ${standing.approvalId}`)
    case "refused":
      return errorResult(standing.text, standing.details)
    case "allowed":
      return undefined
  }
}
