// How an agent says that a turn has ended, and what it says it used, as an end of ours. Pure.
import type { HostedEnd } from "../../agent/harness.ts"
import { isObject } from "../../base/json.ts"
import type { Usage } from "../../protocol/message.ts"
import type { TurnStop } from "../../protocol/turn.ts"

const STOPS: Readonly<Record<string, TurnStop>> = {
  ...{ end_turn: "end_turn", max_tokens: "max_output_tokens", max_turn_requests: "max_model_calls" },
  ...{ refusal: "refusal", cancelled: "aborted" },
}

/** From the answer to session/prompt (v1), or from a state_update of kind idle (v2). A reason that nobody knows is an ordinary end. */
export function endTold(answer: unknown): HostedEnd {
  if (!isObject(answer)) return { stop: "end_turn" }
  const { error, stopReason } = answer
  const usage = usageTold(answer["usage"]) ?? quotaTold(answer["_meta"])
  const used = usage ? { usage } : {}
  if (stopReason === "error") {
    const said = isObject(error) && typeof error["message"] === "string" ? error["message"] : "it did not say why"
    return { stop: "error", error: { code: "UNAVAILABLE", message: `The agent failed: ${said}` }, ...used }
  }
  const known = typeof stopReason === "string" && Object.hasOwn(STOPS, stopReason) ? STOPS[stopReason] : undefined
  return { stop: known ?? "end_turn", ...used }
}

/** Gemini CLI says what it used in `_meta.quota` alone. */
function quotaTold(meta: unknown): Usage | undefined {
  const quota = isObject(meta) ? meta["quota"] : undefined
  const counts = isObject(quota) ? quota["token_count"] : undefined
  if (!isObject(counts)) return undefined
  return usageTold({ inputTokens: counts["input_tokens"], outputTokens: counts["output_tokens"] })
}

/**
 * Agents count differently: the input with or without what came from a cache, the output with or without thoughts. The total says which.
 */
export function usageTold(value: unknown): Usage | undefined {
  if (!isObject(value)) return undefined
  const count = (name: string) => {
    const tokens = value[name]
    return typeof tokens === "number" && Number.isFinite(tokens) && tokens >= 0 ? Math.floor(tokens) : 0
  }
  if (typeof value["inputTokens"] !== "number" && typeof value["outputTokens"] !== "number") return undefined
  const [input, output] = [count("inputTokens"), count("outputTokens")]
  const [read, write, thought] = [count("cachedReadTokens"), count("cachedWriteTokens"), count("thoughtTokens")]
  const cached = read + write
  const rest = count("totalTokens") - input - output
  const cachedApart = cached > 0 && (rest === cached || rest === cached + thought)
  const thoughtApart = thought > 0 && (rest === thought || rest === cached + thought)
  return {
    inputTokens: cachedApart ? input + cached : input,
    outputTokens: thoughtApart ? output + thought : output,
    cacheReadTokens: read,
    cacheWriteTokens: write,
    reasoningTokens: thought,
    costUsd: null,
  }
}
