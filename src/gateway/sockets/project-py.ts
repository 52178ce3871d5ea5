// Turn events as the simple dialect's document promises them (protocol §8.2, PY-EVT-01): chat.delta, chat.tool_call,
// chat.tool_result, and exactly one chat.done or chat.error. Pure.
import { ERROR_TABLE, type ErrorCode } from "../../base/errors.ts"
import type { TurnEnvelope } from "../../protocol/event.ts"
import type { TurnOutcome } from "../../protocol/turn.ts"
import { wireUsage } from "../sessions/history.ts"
import type { Grown, Named, Run } from "./project-claw.ts"

/** The simple dialect names a session by agent and rest of the key; its main session is "default". */
function base(run: Run, seq: number) {
  const rest = run.sessionKey.split(":").slice(2).join(":")
  return {
    sessionId: rest === "main" ? "default" : rest,
    sessionKey: run.sessionKey,
    agentId: run.agentId,
    runId: run.turnId,
    seq,
  }
}

export function projectPy({ event }: TurnEnvelope, run: Run): Named[] {
  if (event.type === "turn.ended") return [ending(run, event.outcome)]
  if (event.type === "tool.started") {
    const payload = { ...base(run, run.seq), tool: event.name, args: event.args, toolCallId: event.callId }
    return [{ event: "chat.tool_call", payload }]
  }
  if (event.type === "tool.ended") {
    const { name: tool, text: result, callId: toolCallId, isError } = event
    return [{ event: "chat.tool_result", payload: { ...base(run, run.seq), tool, result, toolCallId, isError } }]
  }
  return []
}

function isErrorCode(word: string): word is ErrorCode {
  return Object.hasOwn(ERROR_TABLE, word)
}

function ending(run: Run, outcome: TurnOutcome): Named {
  if (outcome.status === "failed" || outcome.status === "timeout") {
    const word = outcome.error?.code ?? (outcome.status === "timeout" ? "TIMEOUT" : "INTERNAL_ERROR")
    const code = isErrorCode(word) ? ERROR_TABLE[word].py : ERROR_TABLE.INTERNAL_ERROR.py
    return {
      event: "chat.error",
      payload: { ...base(run, run.seq), error: outcome.error?.message ?? "The run failed", code },
    }
  }
  const payload = {
    ...base(run, run.seq),
    usage: wireUsage(outcome.usage),
    stopReason: outcome.stop,
    text: run.text === "" ? outcome.text : run.text,
  }
  return { event: "chat.done", payload: outcome.status === "canceled" ? { ...payload, aborted: true } : payload }
}

/** What is new of the answer; the simple dialect does not show reasoning. */
export function growthPy(run: Run, { kind, from, to, seq }: Grown): Named[] {
  if (kind !== "text") return []
  return [{ event: "chat.delta", payload: { ...base(run, seq), delta: run.text.slice(from, to), role: "assistant" } }]
}
