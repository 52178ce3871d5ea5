// Turn events as the protocol 3 and 4 clients know them: `chat` and `agent` (protocol §6, §9.6). Pure: event and run in, named
// payloads out. Growing text is not here: the outbox decides how often it is shown and asks growth() for it.
import type { TurnEnvelope } from "../../protocol/event.ts"
import type { TurnOutcome } from "../../protocol/turn.ts"
import { wireUsage } from "../history.ts"
import { approvalRow } from "../methods/approvals.ts"
import type { Growing, RunView } from "./run-view.ts"

export interface Named {
  event: string
  payload: Record<string, unknown>
}

export interface ClawViewer {
  protocol: 3 | 4
  toolEvents: boolean
  approvals: boolean
  /** Hears chat and agent events at all. */
  reads: boolean
}

function base(run: RunView) {
  run.seq += 1
  return { runId: run.turnId, sessionKey: run.sessionKey, agentId: run.agentId, seq: run.seq }
}

function agent(run: RunView, stream: string, ts: number, data: Record<string, unknown>): Named {
  return { event: "agent", payload: { ...base(run), stream, ts, data } }
}

function message(text: string, ts: number) {
  return { role: "assistant", content: [{ type: "text", text }], timestamp: ts }
}

/** What `viewer` is told of an event. Deltas give nothing here. */
export function projectClaw(envelope: TurnEnvelope, run: RunView, viewer: ClawViewer): Named[] {
  const { event, at } = envelope
  if (event.type === "approval.requested")
    return viewer.approvals ? [{ event: "exec.approval.requested", payload: approvalRow(event.approval) }] : []
  if (event.type === "approval.resolved") {
    if (!viewer.approvals) return []
    const { approval } = event
    const expired = approval.decision === "expired"
    const payload = {
      ...approvalRow(approval),
      ts: approval.resolvedAt ?? at,
      ...(expired ? { reason: "expired" } : {}),
    }
    return [{ event: "exec.approval.resolved", payload }]
  }
  if (!viewer.reads) return []
  const v4 = viewer.protocol === 4
  switch (event.type) {
    case "turn.started": {
      const start = agent(run, "lifecycle", at, { phase: "start", startedAt: at, attempt: event.attempt })
      return v4 ? [start, status(run, "preparing_context")] : [start]
    }
    case "model.started":
      return v4
        ? [
            agent(run, "lifecycle", at, { phase: "model", provider: event.provider, model: event.model }),
            status(run, "starting_model"),
          ]
        : []
    case "tool.started":
      return tool(run, viewer, at, {
        phase: "start",
        name: event.name,
        toolCallId: event.callId,
        args: event.args,
        title: event.title,
      })
    case "tool.updated":
      return tool(run, viewer, at, {
        phase: "update",
        name: event.name,
        toolCallId: event.callId,
        partialResult: event.output,
      })
    case "tool.ended": {
      const { name, callId, isError, text, durationMs, details } = event
      const result = { content: [{ type: "text", text }], ...(details === undefined ? {} : { details }) }
      return tool(run, viewer, at, { phase: "result", name, toolCallId: callId, isError, result, durationMs })
    }
    case "notice.posted":
      return [agent(run, "notice", at, { level: event.level, code: event.code, text: event.text })]
    case "usage.updated":
      return v4 ? [agent(run, "usage", at, wireUsage(event.usage))] : []
    case "turn.interrupted":
      return [agent(run, "lifecycle", at, { phase: "interrupted", reason: event.reason })]
    case "turn.ended":
      return ending(run, event.outcome, at, v4)
    default:
      return []
  }
}

function status(run: RunView, phase: string): Named {
  return { event: "chat", payload: { ...base(run), state: "status", phase } }
}

function tool(run: RunView, viewer: ClawViewer, at: number, data: Record<string, unknown>): Named[] {
  if (!viewer.toolEvents && !(viewer.protocol === 3 && run.verbose)) return []
  return [agent(run, "tool", at, data)]
}

const ERROR_KINDS: Readonly<Record<string, string>> = {
  refusal: "refusal",
  stalled: "timeout",
  rate_limit: "rate_limit",
  context_length: "context_length",
}

/** lifecycle end or error, then exactly one chat final, aborted or error. */
function ending(run: RunView, outcome: TurnOutcome, at: number, v4: boolean): Named[] {
  const { error, stop } = outcome
  const text = run.text === "" ? outcome.text : run.text
  const said = text === "" ? {} : { message: message(text, at) }
  const usage = { usage: wireUsage(outcome.usage) }
  if (outcome.status === "canceled") {
    const end = agent(run, "lifecycle", at, { phase: "end", endedAt: at, aborted: true })
    return [end, { event: "chat", payload: { ...base(run), state: "aborted", stopReason: "rpc", ...said, ...usage } }]
  }
  if (outcome.status === "completed") {
    const stopReason = stop === "end_turn" ? "stop" : stop
    const end = agent(run, "lifecycle", at, { phase: "end", endedAt: at, ...(v4 ? { stopReason } : {}) })
    return [end, { event: "chat", payload: { ...base(run), state: "final", stopReason, ...said, ...usage } }]
  }
  const errorMessage = error?.message ?? "The run failed"
  const kind = outcome.status === "timeout" ? "timeout" : (ERROR_KINDS[error?.kind ?? ""] ?? "unknown")
  const detail = {
    code: error?.code,
    kind: error?.kind,
    httpStatus: error?.status,
    provider: outcome.provider,
    model: outcome.model,
    retryAfterMs: error?.retryAfterMs,
  }
  const end = agent(run, "lifecycle", at, { phase: "error", error: errorMessage, endedAt: at })
  const chat = {
    ...base(run),
    state: "error",
    errorMessage,
    errorKind: kind,
    errorDetail: detail,
    stopReason: stop,
    ...said,
    ...usage,
  }
  return [end, { event: "chat", payload: chat }]
}

/** Text that has grown beyond what the viewer has: `from` is the length it knows; `replace` when it came late. */
export function growth(
  run: RunView,
  kind: Growing,
  from: number,
  at: number,
  protocol: 3 | 4,
  replace: boolean,
): Named[] {
  const text = run[kind]
  const delta = text.slice(from)
  if (kind === "thinking") return protocol === 4 ? [agent(run, "thinking", at, { text, delta })] : []
  const shown = agent(run, "assistant", at, { text, delta })
  const chat = {
    ...base(run),
    state: "delta",
    deltaText: delta,
    message: message(text, at),
    ...(replace ? { replace } : {}),
  }
  return [shown, { event: "chat", payload: chat }]
}
