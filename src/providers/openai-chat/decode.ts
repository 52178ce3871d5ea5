// OpenAI chat completion chunks into our events. One decoder a stream; it tolerates what compatible servers do differently:
// whole calls in one chunk, calls without index or id, "stop" as the finish reason of calls, usage in any chunk.

import { uuid } from "../../base/id.ts"
import { isObject } from "../../base/json.ts"
import { NO_USAGE, type Part, type StopReason, type Usage } from "../../protocol/message.ts"
import { AnswerParts, estimateUsage } from "../collect.ts"
import { errorText, type FailureError, failureOf, kindOf, parseEvent } from "../http.ts"
import type { ModelEvent, ModelRequest } from "../provider.ts"
import type { Quirks } from "../settings.ts"
import type { Decoder } from "../stream.ts"

export class ChatDecoder implements Decoder {
  readonly #answer = new AnswerParts()
  readonly #request: ModelRequest
  readonly #reasoningField: string | undefined
  #finish: string | undefined
  #usage: Usage | undefined
  #model: string | undefined
  #refused = false

  constructor(request: ModelRequest, quirks: Quirks) {
    this.#request = request
    this.#reasoningField = quirks.reasoningField
  }

  /** Adds the events of one data line to `out`. Throws FailureError for an error event or text that is not a chunk. */
  push(data: string, out: ModelEvent[]): void {
    if (data === "[DONE]") return
    const chunk = parseEvent(data)
    if (chunk["error"] !== undefined && chunk["error"] !== null) throw streamError(data)
    if (typeof chunk["model"] === "string") this.#model = chunk["model"]
    const usage = chunk["usage"]
    if (isObject(usage)) this.#usage = decodeUsage(usage)
    const choices = chunk["choices"]
    const choice: unknown = Array.isArray(choices) ? choices[0] : undefined
    if (!isObject(choice)) return
    const delta = choice["delta"] ?? choice["message"]
    if (isObject(delta)) this.#delta(delta, out)
    if (typeof choice["finish_reason"] === "string") this.#finish = choice["finish_reason"]
  }

  #delta(delta: Record<string, unknown>, out: ModelEvent[]): void {
    const thinking =
      (this.#reasoningField && delta[this.#reasoningField]) || delta["reasoning_content"] || delta["reasoning"]
    if (typeof thinking === "string" && thinking !== "") {
      this.#answer.thinking(thinking)
      out.push({ type: "thinking.delta", text: thinking })
    }
    const text = delta["content"]
    if (typeof text === "string" && text !== "") {
      this.#answer.text(text)
      out.push({ type: "text.delta", text })
    }
    const refusal = delta["refusal"]
    if (typeof refusal === "string" && refusal !== "") {
      this.#refused = true
      this.#answer.text(refusal)
      out.push({ type: "text.delta", text: refusal })
    }
    const calls = delta["tool_calls"]
    if (Array.isArray(calls)) for (const call of calls) if (isObject(call)) this.#call(call, out)
  }

  #call(wire: Record<string, unknown>, out: ModelEvent[]): void {
    const fn = isObject(wire["function"]) ? wire["function"] : {}
    const id = typeof wire["id"] === "string" ? wire["id"] : ""
    const name = typeof fn["name"] === "string" ? fn["name"] : ""
    const slot = this.#slot(wire, id, name)
    const known = this.#answer.openCall(slot)
    const call = known ?? this.#answer.call(slot, id || `call_${uuid()}`, name)
    if (!known) out.push({ type: "tool.started", callId: call.callId, name })
    else if (call.name === "" && name !== "") call.name = name
    const args = fn["arguments"]
    if (typeof args === "string") call.raw += args
    else if (isObject(args)) call.raw = JSON.stringify(args)
  }

  /** By index where there is one; a new id or a new name opens a new call, anything else goes on with the last one. */
  #slot(wire: Record<string, unknown>, id: string, name: string): string {
    const last = this.#answer.lastSlot
    if (typeof wire["index"] === "number") {
      const slot = `i${wire["index"]}`
      const known = this.#answer.openCall(slot)
      // Some servers number every call 0: another id means another call.
      return known && id !== "" && known.callId !== id ? `i${wire["index"]}:${id}` : slot
    }
    if (id !== "") return `id:${id}`
    if (name === "" && last !== undefined) return last
    return `n:${uuid()}`
  }

  received(): Part[] {
    return this.#answer.received()
  }

  /** The end of the stream as the closing event. Throws FailureError when no finish reason came. */
  end(): ModelEvent {
    const stop = this.#stop()
    const cut = stop === "length" || stop === "content_filter"
    return {
      type: "done",
      stop,
      content: this.#answer.content(!cut),
      usage: this.#usage ?? estimateUsage(this.#request, this.#answer.size()),
      ...(this.#model === undefined ? {} : { model: this.#model }),
    }
  }

  #stop(): StopReason {
    switch (this.#finish) {
      case undefined:
        throw failureOf("truncated", "the answer ended without a finish reason")
      case "length":
      case "max_tokens":
        return "length"
      case "content_filter":
        return "content_filter"
      default:
        if (this.#answer.hasCalls) return "tool_calls"
        return this.#refused ? "refusal" : "stop"
    }
  }
}

function streamError(data: string): FailureError {
  const said = errorText(data)
  const kind = kindOf(500, said)
  const limited = /rate.?limit/i.test(`${said.code} ${said.message}`)
  return failureOf(
    limited ? "rate_limit" : kind,
    `the service reported an error: ${said.message || said.code || "no details"}`,
  )
}

function number(value: unknown): number {
  return typeof value === "number" && Number.isFinite(value) ? value : 0
}

export function decodeUsage(usage: Record<string, unknown>): Usage {
  const prompt = isObject(usage["prompt_tokens_details"]) ? usage["prompt_tokens_details"] : {}
  const completion = isObject(usage["completion_tokens_details"]) ? usage["completion_tokens_details"] : {}
  return {
    ...NO_USAGE,
    inputTokens: number(usage["prompt_tokens"]),
    outputTokens: number(usage["completion_tokens"]),
    // DeepSeek names its cache hits differently.
    cacheReadTokens: number(prompt["cached_tokens"]) || number(usage["prompt_cache_hit_tokens"]),
    reasoningTokens: number(completion["reasoning_tokens"]),
  }
}
