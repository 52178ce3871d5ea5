// Turn events as the simple dialect's document promises them (protocol §8.2, PY-EVT-01): chat.delta, chat.tool_call,
// chat.tool_result, and exactly one chat.done or chat.error. Pure.

import { ERROR_TABLE, type ErrorCode } from "../../base/errors.ts"
import type { TurnEnvelope } from "../../protocol/event.ts"
import { wireUsage } from "../history.ts"
import type { Named } from "./project-claw.ts"
import type { RunView } from "./run-view.ts"

function base(run: RunView) {
  run.seq += 1
  const sessionId = run.sessionKey.split(":").slice(2).join(":")
  return {
    sessionId: sessionId === "main" ? "default" : sessionId,
    sessionKey: run.sessionKey,
    agentId: run.agentId,
    runId: run.turnId,
    seq: run.seq,
  }
}

export function projectPy(envelope: TurnEnvelope, run: RunView): Named[] {
  const { event } = envelope
  switch (event.type) {
    case "tool.started":
      return [
        {
          event: "chat.tool_call",
          payload: { ...base(run), tool: event.name, args: event.args, toolCallId: event.callId },
        },
      ]
    case "tool.ended":
      return [
        {
          event: "chat.tool_result",
          payload: {
            ...base(run),
            tool: event.name,
            result: event.text,
            toolCallId: event.callId,
            isError: event.isError,
          },
        },
      ]
    case "turn.ended": {
      const { outcome } = event
      if (outcome.status === "failed" || outcome.status === "timeout") {
        const code = (outcome.error?.code ?? "INTERNAL_ERROR") as ErrorCode
        const word = ERROR_TABLE[code]?.py ?? "INTERNAL_ERROR"
        return [
          {
            event: "chat.error",
            payload: { ...base(run), error: outcome.error?.message ?? "The run failed", code: word },
          },
        ]
      }
      const payload = {
        ...base(run),
        usage: wireUsage(outcome.usage),
        stopReason: outcome.stop,
        text: run.text || outcome.text,
      }
      return [{ event: "chat.done", payload: outcome.status === "canceled" ? { ...payload, aborted: true } : payload }]
    }
    default:
      return []
  }
}

export function growthPy(run: RunView, from: number): Named[] {
  return [{ event: "chat.delta", payload: { ...base(run), delta: run.text.slice(from), role: "assistant" } }]
}
