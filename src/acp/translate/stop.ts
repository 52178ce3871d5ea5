// How a turn ended, as the answer to a prompt: a stop reason where there is one, else the failure. Pure.
import type { StopReason } from "@agentclientprotocol/sdk"
import type { Usage } from "../../protocol/message.ts"
import type { TurnOutcome } from "../../protocol/turn.ts"
import { RPC, RpcFailure } from "../peer.ts"

/** Number of a turn that took too long; other bridges use it, too. */
const TIMED_OUT = -32001

export function stopReasonOf(outcome: TurnOutcome): StopReason | RpcFailure {
  const { status, stop, error } = outcome
  if (status === "canceled" || stop === "aborted") return "cancelled"
  switch (stop) {
    case "end_turn":
    case "tool_calls":
      return "end_turn"
    case "max_output_tokens":
    case "token_limit":
      return "max_tokens"
    case "max_model_calls":
    case "cost_limit":
      return "max_turn_requests"
    case "content_filter":
    case "refusal":
      return "refusal"
    case "time_limit":
    case "interrupted":
    case "error":
      if (error?.kind === "refusal") return "refusal"
      if (error?.kind === "context_length") return "max_tokens"
      return failureOf(outcome)
    default:
      return stop satisfies never
  }
}

function failureOf({ status, stop, error }: TurnOutcome): RpcFailure {
  const message = error?.message ?? "The turn failed without saying why"
  const code = status === "timeout" || stop === "time_limit" ? TIMED_OUT : RPC.internal
  const { retryAfterMs, kind, code: word } = error ?? { code: "INTERNAL_ERROR" }
  return new RpcFailure(code, message, {
    code: word,
    ...(kind === undefined ? {} : { kind }),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  })
}

/** Tokens of a turn as a prompt's answer tells them. */
export function promptUsage(usage: Usage) {
  const { inputTokens, outputTokens, reasoningTokens, cacheReadTokens, cacheWriteTokens } = usage
  return {
    totalTokens: inputTokens + outputTokens,
    inputTokens,
    outputTokens,
    thoughtTokens: reasoningTokens,
    cachedReadTokens: cacheReadTokens,
    cachedWriteTokens: cacheWriteTokens,
  }
}
