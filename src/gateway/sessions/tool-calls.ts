// A tool called by hand: a turn of its own in the session, so that it is judged, asked about, journalled and recorded like any call.
import { PincerError } from "../../base/errors.ts"
import { isObject } from "../../base/json.ts"
import type { SessionName } from "../../protocol/session.ts"
import { isFinal, type TurnRecord } from "../../protocol/turn.ts"
import { requireAgent, turnRequest } from "../inbound.ts"
import type { Caller } from "../methods/method.ts"
import type { Parts } from "../parts.ts"
import { failureOf, unfinished } from "./outcome.ts"

export interface HandCall {
  tool: string
  args: Record<string, unknown>
  idempotencyKey?: string
}

export type HandResult = { runId: string } & (
  | { type: "done"; text: string; details?: Record<string, unknown> }
  /** The tool says that it failed. */
  | { type: "failed"; text: string; details?: Record<string, unknown> }
  /** Policy, or a human, did not let it pass. */
  | { type: "denied"; text: string }
  | { type: "waiting"; approvalId: string; expiresAtMs: number }
)

/** Events looked through for what came of a call. */
const TAIL = 50

/** Throws NOT_FOUND for a tool that the agent does not have, and what the lanes refuse. */
export async function callTool(
  session: SessionName,
  call: HandCall,
  caller: Caller,
  parts: Parts,
): Promise<HandResult> {
  const tool = knownTool(call.tool, session.agentId, parts)
  const said = { input: [], idempotencyKey: call.idempotencyKey }
  const request = {
    ...turnRequest(session, said, caller, parts),
    task: { type: "call" as const, tool, args: call.args },
  }
  const asked = Promise.withResolvers<{ approvalId: string; expiresAtMs: number }>()
  const silence = parts.hub.onTurn(request.turnId, ({ event }) => {
    if (event.type !== "approval.requested") return
    asked.resolve({ approvalId: event.approval.id, expiresAtMs: event.approval.expiresAt })
  })
  const left = new AbortController()
  try {
    const { record } = await parts.lanes.submit(request)
    const waiting = await waitsFor(record, parts)
    if (waiting) return { type: "waiting", runId: record.turnId, ...waiting }
    const signal = AbortSignal.any([caller.signal, left.signal])
    const ended = isFinal(record.status)
      ? record
      : await Promise.race([parts.lanes.wait(record.turnId, { signal }), asked.promise])
    if (!ended) throw unfinished(record.turnId)
    if ("approvalId" in ended) return { type: "waiting", runId: record.turnId, ...ended }
    return await resultOf(ended, parts)
  } finally {
    silence()
    left.abort()
  }
}

/** What a repeat of a call waits for. */
async function waitsFor({ turnId }: TurnRecord, parts: Parts) {
  const [approval] = (await parts.approvals.pending()).filter((one) => one.turnId === turnId)
  return approval && { approvalId: approval.id, expiresAtMs: approval.expiresAt }
}

function knownTool(name: string, agentId: string, parts: Parts): string {
  const profile = requireAgent(agentId, parts)
  if (profile.hosted)
    throw new PincerError(
      "INVALID_PARAMS",
      `Agent "${agentId}" keeps tools of its own: name a session of another agent`,
    )
  // Those of MCP servers are known to the turn alone.
  if (name.startsWith("mcp:")) return name
  const tool = parts.tools.find((one) => one.name === name || one.aliases.includes(name))
  if (tool && (!profile.tools || [tool.name, ...tool.aliases].some((one) => profile.tools?.includes(one))))
    return tool.name
  throw new PincerError("NOT_FOUND", `Tool not available: ${name}`, { details: { tool: name } })
}

async function resultOf(ended: TurnRecord, parts: Parts): Promise<HandResult> {
  const failure = failureOf(ended)
  if (failure) throw failure
  const runId = ended.turnId
  if (ended.status === "canceled") throw new PincerError("ABORTED", "The call was canceled", { details: { runId } })
  const outcome = await endOf(ended, parts)
  if (!outcome)
    throw new PincerError("NOT_FOUND", `What came of run ${runId} is not kept any more: call it with another key`, {
      details: { runId },
    })
  const { details, isError, text } = outcome
  const shown = isObject(details) ? { details } : {}
  if (!isError) return { type: "done", runId, text, ...shown }
  return isObject(details) && details["denied"] === true
    ? { type: "denied", runId, text }
    : { type: "failed", runId, text, ...shown }
}

/** The recorded end of its one call: looked for near the end of the log first. */
async function endOf({ sessionId, sessionKey, turnId }: TurnRecord, parts: Parts) {
  const session = await parts.store.sessions.get(sessionKey)
  const near = session?.id === sessionId ? Math.max(0, session.lastSeq - TAIL) : 0
  for (const from of near === 0 ? [0] : [near, 0])
    for (let afterSeq = from; ; ) {
      const events = await parts.store.transcript.events(sessionKey, { afterSeq, limit: 500, log: sessionId })
      for (const { event, turnId: whose } of events) if (whose === turnId && event.type === "tool.ended") return event
      const last = events.at(-1)
      if (!last) break
      afterSeq = last.seq
    }
  return undefined
}
