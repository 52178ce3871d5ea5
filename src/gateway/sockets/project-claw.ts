// Turn events as the protocol 3 and 4 clients know them: `chat` and `agent` (protocol §6, §9.6). Pure: event and run in, named
// payloads out. A `chat` event carries the number of the `agent` event that it goes with.
import { unreachable } from "../../base/errors.ts"
import type { TurnEnvelope } from "../../protocol/event.ts"
import type { ToolView } from "../../protocol/tool-view.ts"
import type { TurnOutcome } from "../../protocol/turn.ts"
import { diffOf } from "../../tools/diff.ts"
import { wireUsage } from "../sessions/history.ts"
import type { Growing, RunView } from "./run-view.ts"

export interface Named {
  event: string
  payload: Record<string, unknown>
}

/** What the projections read of a run. */
export type Run = Readonly<
  Pick<RunView, "turnId" | "sessionKey" | "sessionId" | "agentId" | "seq" | "text" | "thinking" | "verbose">
>

export interface ClawViewer {
  protocol: 3 | 4
  toolEvents: boolean
}

/** Text that has grown: the viewer had `from` of it and now gets it up to `to`. */
export interface Grown {
  kind: Growing
  from: number
  to: number
  seq: number
  at: number
  /** The viewer came late: what it is shown first replaces anything it has. */
  replace: boolean
}

function base(run: Run, seq: number) {
  return { runId: run.turnId, sessionKey: run.sessionKey, agentId: run.agentId, seq }
}

function agent(run: Run, stream: string, ts: number, data: Record<string, unknown>, seq = run.seq): Named {
  return { event: "agent", payload: { ...base(run, seq), sessionId: run.sessionId, stream, ts, data } }
}

function message(text: string, ts: number) {
  return { role: "assistant", content: [{ type: "text", text }], timestamp: ts }
}

/** What `viewer` is told of an event. Growing text and approvals give nothing here: see growth() and projectApproval(). */
export function projectClaw(envelope: TurnEnvelope, run: Run, viewer: ClawViewer): Named[] {
  const { event, at } = envelope
  const v4 = viewer.protocol === 4
  switch (event.type) {
    case "turn.started": {
      const start = agent(run, "lifecycle", at, { phase: "start", startedAt: at, attempt: event.attempt })
      return v4 ? [...status(run, at, "preparing_context"), start] : [start]
    }
    case "model.started": {
      if (!v4) return []
      const { provider, model } = event
      return [...status(run, at, "starting_model"), agent(run, "lifecycle", at, { phase: "model", provider, model })]
    }
    case "tool.started": {
      const { name, callId, args, title } = event
      return tool(run, viewer, at, { phase: "start", name, toolCallId: callId, args, title })
    }
    case "tool.updated": {
      const { name, callId, output } = event
      return tool(run, viewer, at, { phase: "update", name, toolCallId: callId, partialResult: output })
    }
    case "tool.ended": {
      const { name, callId, isError, text, durationMs, details } = event
      const result = { content: [{ type: "text", text }], ...(details === undefined ? {} : { details }) }
      const changes = changesIn(event.view)
      const more = changes.length === 0 ? {} : { changes }
      return tool(run, viewer, at, { phase: "result", name, toolCallId: callId, isError, result, durationMs, ...more })
    }
    case "notice.posted":
      return [agent(run, "notice", at, { level: event.level, code: event.code, text: event.text })]
    case "usage.updated":
      return v4 ? [agent(run, "usage", at, wireUsage(event.usage))] : []
    case "turn.interrupted":
      return [agent(run, "lifecycle", at, { phase: "interrupted", reason: event.reason })]
    case "turn.ended":
      return ending(run, event.outcome, at, v4)
    case "plan.updated":
      return [agent(run, "plan", at, { planId: event.planId, plan: event.plan })]
    case "tool.changed":
    case "context.measured":
    case "session.described":
    case "update.received":
    case "part.added":
    case "turn.queued":
    case "message.added":
    case "messages.dropped":
    case "messages.restored":
    case "approval.requested":
    case "approval.resolved":
    case "text.delta":
    case "thinking.delta":
      return []
    default:
      return unreachable(event)
  }
}

/** What the run is about to do; the one that follows in the same moment has the higher number. */
function status(run: Run, at: number, phase: string): Named[] {
  const seq = run.seq - 1
  return [
    { event: "chat", payload: { ...base(run, seq), state: "status", phase } },
    agent(run, "run_status", at, { phase }, seq),
  ]
}

function tool(run: Run, viewer: ClawViewer, at: number, data: Record<string, unknown>): Named[] {
  if (!viewer.toolEvents && !(viewer.protocol === 3 && run.verbose)) return []
  return [agent(run, "tool", at, data)]
}

/** Files that a call changed, and how many lines were added and removed. */
function changesIn(view: ToolView | undefined): { path: string; added: number; removed: number }[] {
  return (view?.content ?? []).flatMap((one) => {
    if (one.type !== "diff" || one.cut) return []
    const { added, removed } = diffOf(one.oldText ?? "", one.newText)
    return [{ path: one.path, added, removed }]
  })
}

const ERROR_KINDS: Readonly<Record<string, string>> = {
  refusal: "refusal",
  stalled: "timeout",
  timeout: "timeout",
  rate_limit: "rate_limit",
  context_length: "context_length",
}

/** lifecycle end or error, then exactly one chat final, aborted or error. */
function ending(run: Run, outcome: TurnOutcome, at: number, v4: boolean): Named[] {
  const text = run.text === "" ? outcome.text : run.text
  const said = text === "" ? {} : { message: message(text, at) }
  const usage = { usage: wireUsage(outcome.usage) }
  const chat = (state: string, more: Record<string, unknown>): Named => ({
    event: "chat",
    payload: { ...base(run, run.seq), state, ...more, ...said, ...usage },
  })
  switch (outcome.status) {
    case "canceled":
      return [
        agent(run, "lifecycle", at, { phase: "end", endedAt: at, aborted: true }),
        chat("aborted", { stopReason: "rpc" }),
      ]
    case "completed": {
      const stopReason = outcome.stop === "end_turn" ? "stop" : outcome.stop
      const end = { phase: "end", endedAt: at, ...(v4 ? { stopReason } : {}) }
      return [agent(run, "lifecycle", at, end), chat("final", { stopReason })]
    }
    case "failed":
    case "timeout": {
      const { errorMessage, ...more } = failure(outcome)
      return [
        agent(run, "lifecycle", at, { phase: "error", error: errorMessage, endedAt: at }),
        chat("error", { errorMessage, ...more, stopReason: outcome.stop }),
      ]
    }
    default:
      return unreachable(outcome.status)
  }
}

function failure({ status, error, provider, model }: TurnOutcome) {
  const { code, kind, retryAfterMs } = error ?? {}
  return {
    errorMessage: error?.message ?? "The run failed",
    errorKind: status === "timeout" ? "timeout" : (ERROR_KINDS[kind ?? ""] ?? "unknown"),
    errorDetail: { code, kind, httpStatus: error?.status, provider, model, retryAfterMs },
  }
}

/** Text that has grown: the whole of it and what is new. Reasoning is for protocol 4 only. */
export function growth(run: Run, grown: Grown, protocol: 3 | 4): Named[] {
  const { kind, from, to, seq, at, replace } = grown
  const text = run[kind].slice(0, to)
  const delta = text.slice(from)
  if (kind === "thinking") return protocol === 4 ? [agent(run, "thinking", at, { text, delta }, seq)] : []
  const chat = {
    ...base(run, seq),
    state: "delta",
    deltaText: delta,
    message: message(text, at),
    ...(replace ? { replace } : {}),
  }
  return [agent(run, "assistant", at, { text, delta }, seq), { event: "chat", payload: chat }]
}
