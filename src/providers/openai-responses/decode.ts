// OpenAI Responses events into ours. A tool call counts only once its item is done; a response that is incomplete may hold half of one.
// Items that are only told of whole, without deltas, count as well: servers that speak this wire second-hand leave events out.
import { uuid } from "../../base/id.ts"
import { isObject } from "../../base/json.ts"
import { NO_USAGE, type Part, type StopReason, type Usage } from "../../protocol/message.ts"
import { AnswerParts, estimateUsage, type OpenCall } from "../collect.ts"
import { failureOf, streamFailure } from "../failure.ts"
import { parseEvent } from "../http.ts"
import type { ModelEvent, ModelRequest } from "../provider.ts"
import type { Decoder } from "../stream.ts"

type Wire = Record<string, unknown>

export class ResponsesDecoder implements Decoder {
  readonly #answer = new AnswerParts()
  readonly #request: ModelRequest
  readonly #providerId: string
  /** Items whose text came in deltas. */
  readonly #streamed = new Set<string>()
  /** Calls whose arguments are complete. */
  readonly #finished = new Set<string>()
  #end: { stop: StopReason; whole: boolean } | undefined
  #usage: Usage | undefined
  #model: string | undefined
  #refused = false

  constructor(request: ModelRequest, providerId: string) {
    this.#request = request
    this.#providerId = providerId
  }

  /** True once the service has said that the response is over. */
  get isOver(): boolean {
    return this.#end !== undefined
  }

  push(data: string, out: ModelEvent[]): void {
    if (data === "[DONE]") return
    const event = parseEvent(data)
    const delta = typeof event["delta"] === "string" ? event["delta"] : ""
    switch (event["type"]) {
      case "response.output_text.delta":
        this.#streamed.add(slotOf(event))
        this.#answer.say(delta, out)
        return
      case "response.refusal.delta":
        this.#streamed.add(slotOf(event))
        this.#refused = true
        this.#answer.say(delta, out)
        return
      case "response.reasoning_summary_part.added":
        if (this.#answer.last?.type === "thinking" && this.#streamed.has(slotOf(event))) this.#answer.think("\n\n", out)
        return
      case "response.reasoning_summary_text.delta":
      case "response.reasoning_text.delta":
        this.#streamed.add(slotOf(event))
        this.#answer.think(delta, out)
        return
      case "response.output_item.added":
        if (isCall(event["item"])) this.#call(slotOf(event), event["item"], out)
        return
      case "response.function_call_arguments.done":
        this.#arguments(slotOf(event), event["arguments"])
        return
      case "response.output_item.done":
        if (isObject(event["item"])) this.#done(slotOf(event), event["item"], out)
        return
      case "response.completed":
      case "response.incomplete":
      case "response.failed":
        this.#close(event["type"], isObject(event["response"]) ? event["response"] : {})
        return
      case "error":
        throw streamFailure(data)
      default:
        return
    }
  }

  #call(slot: string, item: Wire, out: ModelEvent[]): OpenCall {
    const known = this.#answer.openCall(slot)
    if (known) return known
    const given = item["call_id"] ?? item["id"]
    const taken = this.#answer.slots().some((one) => this.#answer.openCall(one)?.callId === given)
    const callId = typeof given === "string" && given !== "" && !taken ? given : `call_${uuid()}`
    const call = this.#answer.call(slot, callId, typeof item["name"] === "string" ? item["name"] : "")
    out.push({ type: "tool.started", callId: call.callId, name: call.name })
    return call
  }

  #arguments(slot: string, args: unknown): void {
    const call = this.#answer.openCall(slot)
    if (!call || typeof args !== "string") return
    call.raw = args
    this.#finished.add(slot)
  }

  #done(slot: string, item: Wire, out: ModelEvent[]): void {
    if (isCall(item)) {
      this.#call(slot, item, out)
      this.#arguments(slot, item["arguments"])
    } else if (item["type"] === "message" && !this.#streamed.has(slot)) {
      for (const piece of Array.isArray(item["content"]) ? item["content"] : [])
        if (isObject(piece)) this.#piece(piece, out)
    } else if (item["type"] === "reasoning") this.#reasoned(slot, item, out)
  }

  #piece(piece: Wire, out: ModelEvent[]): void {
    if (typeof piece["refusal"] === "string") {
      this.#refused = true
      this.#answer.say(piece["refusal"], out)
    } else if (typeof piece["text"] === "string") this.#answer.say(piece["text"], out)
  }

  #reasoned(slot: string, item: Wire, out: ModelEvent[]): void {
    if (!this.#streamed.has(slot)) {
      const pieces = [item["summary"], item["content"]].flatMap((list) => (Array.isArray(list) ? list : []))
      const texts = pieces.flatMap((one) => (isObject(one) && typeof one["text"] === "string" ? [one["text"]] : []))
      this.#answer.think(texts.join("\n\n"), out)
    }
    if (typeof item["encrypted_content"] !== "string") return
    const last = this.#answer.last
    const sealed = { opaque: item["encrypted_content"], provider: this.#providerId }
    if (last?.type === "thinking" && last.opaque === undefined) Object.assign(last, sealed)
    else this.#answer.push({ type: "thinking", text: "", ...sealed })
  }

  #close(type: string, response: Wire): void {
    if (typeof response["model"] === "string") this.#model = response["model"]
    if (isObject(response["usage"])) this.#usage = decodeUsage(response["usage"])
    if (type === "response.failed") throw streamFailure(JSON.stringify(response))
    if (type === "response.incomplete") {
      const details = response["incomplete_details"]
      const reason = isObject(details) ? details["reason"] : undefined
      this.#end = { stop: reason === "content_filter" ? "content_filter" : "length", whole: false }
    } else this.#end = { stop: this.#answer.hasCalls ? "tool_calls" : this.#refused ? "refusal" : "stop", whole: true }
  }

  received(): Part[] {
    return this.#answer.received()
  }

  counted(): Usage | undefined {
    return this.#usage
  }

  /** Throws FailureError when the response was never said to be over, or a call was never finished. */
  end(): ModelEvent {
    if (!this.#end) throw failureOf("truncated", "the answer ended without response.completed")
    if (this.#end.whole && this.#answer.slots().some((slot) => !this.#finished.has(slot)))
      throw failureOf("truncated", "a tool call was never finished")
    return {
      type: "done",
      stop: this.#end.stop,
      content: this.#answer.content(this.#end.whole),
      usage: this.#usage ?? estimateUsage(this.#request, this.#answer.size()),
      ...(this.#model === undefined ? {} : { model: this.#model }),
    }
  }
}

/** What the events of one item have in common: its place in the output, or its id where a server gives no place. */
function slotOf(event: Wire): string {
  if (typeof event["output_index"] === "number") return `#${event["output_index"]}`
  const item = event["item"]
  return String(event["item_id"] ?? (isObject(item) ? item["id"] : undefined) ?? "")
}

function isCall(item: unknown): item is Wire {
  return isObject(item) && item["type"] === "function_call"
}

function decodeUsage(usage: Wire): Usage {
  const number = (value: unknown) => (typeof value === "number" && Number.isFinite(value) ? value : 0)
  const input = isObject(usage["input_tokens_details"]) ? usage["input_tokens_details"] : {}
  const output = isObject(usage["output_tokens_details"]) ? usage["output_tokens_details"] : {}
  return {
    ...NO_USAGE,
    inputTokens: number(usage["input_tokens"]),
    outputTokens: number(usage["output_tokens"]),
    cacheReadTokens: number(input["cached_tokens"]),
    reasoningTokens: number(output["reasoning_tokens"]),
  }
}
