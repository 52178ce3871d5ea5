// OpenAI chat completion chunks into our events. One decoder a stream; it tolerates what compatible servers do differently:
// whole calls in one chunk, calls without index or id, "stop" as the finish reason of calls, usage in any chunk.
import { isObject } from "../../base/json.ts"
import { NO_USAGE, type Part, type StopReason, type Usage } from "../../protocol/message.ts"
import { AnswerParts, estimateUsage } from "../collect.ts"
import { failureOf, streamFailure } from "../failure.ts"
import { parseEvent } from "../http.ts"
import type { ModelEvent, ModelRequest } from "../provider.ts"
import type { ProviderSettings } from "../settings.ts"
import type { Decoder } from "../stream.ts"
import { CallMerger } from "./calls.ts"
import { REASONING_FIELDS } from "./encode.ts"

export class ChatDecoder implements Decoder {
  readonly #answer = new AnswerParts()
  readonly #calls = new CallMerger(this.#answer)
  readonly #request: ModelRequest
  readonly #provider: string
  readonly #fields: readonly string[]
  /** The field in which this service sends its reasoning. */
  #field: string | undefined
  #finish: string | undefined
  #usage: Usage | undefined
  #model: string | undefined
  #refused = false
  #over = false

  constructor(request: ModelRequest, { id, quirks }: Pick<ProviderSettings, "id" | "quirks">) {
    this.#request = request
    this.#provider = id
    this.#fields = quirks.reasoningField ? [quirks.reasoningField, ...REASONING_FIELDS] : REASONING_FIELDS
  }

  /** True once the service has said that nothing follows. */
  get isOver(): boolean {
    return this.#over
  }

  /** Adds the events of one data line to `out`. Throws FailureError for an error event or text that is not a chunk. */
  push(data: string, out: ModelEvent[]): void {
    if (data === "[DONE]") {
      this.#over = true
      return
    }
    const chunk = parseEvent(data)
    if (chunk["error"] !== undefined && chunk["error"] !== null) throw streamFailure(data)
    if (typeof chunk["model"] === "string") this.#model = chunk["model"]
    const choices = chunk["choices"]
    const choice: unknown = Array.isArray(choices) ? choices[0] : undefined
    // Moonshot counts within the choice.
    const usage = chunk["usage"] ?? (isObject(choice) ? choice["usage"] : undefined)
    if (isObject(usage)) this.#usage = decodeUsage(usage)
    if (!isObject(choice)) return
    const delta = choice["delta"] ?? choice["message"]
    if (isObject(delta)) this.#delta(delta, out)
    if (typeof choice["finish_reason"] === "string") this.#finish = choice["finish_reason"]
  }

  #delta(delta: Record<string, unknown>, out: ModelEvent[]): void {
    for (const field of this.#fields) {
      const thinking = delta[field]
      if (typeof thinking !== "string" || thinking === "") continue
      this.#field ??= field
      this.#answer.think(thinking, out)
      // Some services send the same words in two fields.
      break
    }
    const content = delta["content"]
    if (typeof content === "string") this.#answer.say(content, out)
    else if (Array.isArray(content)) for (const piece of content) if (isObject(piece)) this.#piece(piece, out)
    const refusal = delta["refusal"]
    if (typeof refusal === "string" && refusal !== "") {
      this.#refused = true
      this.#answer.say(refusal, out)
    }
    const calls = delta["tool_calls"]
    if (Array.isArray(calls)) for (const call of calls) if (isObject(call)) this.#calls.add(call, out)
  }

  /** Mistral's reasoning models send content in typed pieces. */
  #piece(piece: Record<string, unknown>, out: ModelEvent[]): void {
    const thoughts = piece["thinking"]
    if (typeof piece["text"] === "string") this.#answer.say(piece["text"], out)
    else if (Array.isArray(thoughts))
      for (const one of thoughts)
        if (isObject(one) && typeof one["text"] === "string") this.#answer.think(one["text"], out)
  }

  received(): Part[] {
    return this.#answer.received()
  }

  counted(): Usage | undefined {
    return this.#usage
  }

  /** The end of the stream as the closing event. Throws FailureError when no finish reason came. */
  end(): ModelEvent {
    const stop = this.#stop()
    const cut = stop === "length" || stop === "content_filter"
    return {
      type: "done",
      stop,
      content: this.#answer.content(!cut).map((part) => this.#signed(part)),
      usage: this.#usage ?? estimateUsage(this.#request, this.#answer.size()),
      ...(this.#model === undefined ? {} : { model: this.#model }),
    }
  }

  /** Reasoning goes back in the field it came in. */
  #signed(part: Part): Part {
    if (part.type !== "thinking" || this.#field === undefined) return part
    return { ...part, opaque: this.#field, provider: this.#provider }
  }

  #stop(): StopReason {
    switch (this.#finish) {
      case undefined:
        throw failureOf("truncated", "the answer ended without a finish reason")
      // Sources: api-docs.deepseek.com, docs.mistral.ai, docs.vllm.ai.
      case "insufficient_system_resource":
        throw failureOf("overloaded", "the service ran out of resources in the middle of its answer")
      case "error":
      case "abort":
        throw failureOf("server", `the service broke off its answer (finish reason "${this.#finish}")`)
      case "length":
      case "max_tokens":
      case "model_length":
        return "length"
      case "content_filter":
        return "content_filter"
      default:
        if (this.#answer.hasCalls) return "tool_calls"
        return this.#refused ? "refusal" : "stop"
    }
  }
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
    // DeepSeek and Moonshot name their cache hits differently.
    cacheReadTokens:
      number(prompt["cached_tokens"]) || number(usage["prompt_cache_hit_tokens"]) || number(usage["cached_tokens"]),
    reasoningTokens: number(completion["reasoning_tokens"]),
  }
}
