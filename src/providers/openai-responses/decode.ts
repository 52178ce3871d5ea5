// OpenAI Responses events into ours. A tool call counts only once its item is done; a response that is incomplete may hold half of one.
import { isObject } from "../../base/json.ts"
import { NO_USAGE, type Part, type StopReason, type Usage } from "../../protocol/message.ts"
import { AnswerParts, estimateUsage } from "../collect.ts"
import { errorText, failureOf, kindOf, parseEvent } from "../http.ts"
import type { ModelEvent, ModelRequest } from "../provider.ts"
import type { Decoder } from "../stream.ts"

export class ResponsesDecoder implements Decoder {
  readonly #answer = new AnswerParts()
  readonly #request: ModelRequest
  readonly #providerId: string
  readonly #finished = new Set<string>()
  #end: { stop: StopReason; whole: boolean } | undefined
  #usage: Usage | undefined
  #model: string | undefined
  #refused = false

  constructor(request: ModelRequest, providerId: string) {
    this.#request = request
    this.#providerId = providerId
  }

  push(data: string, out: ModelEvent[]): void {
    if (data === "[DONE]") return
    const event = parseEvent(data)
    switch (event["type"]) {
      case "response.output_text.delta":
      case "response.refusal.delta":
        if (event["type"] === "response.refusal.delta") this.#refused = true
        this.#text(String(event["delta"] ?? ""), out)
        return
      case "response.reasoning_summary_text.delta":
      case "response.reasoning_text.delta":
        this.#thinking(String(event["delta"] ?? ""), out)
        return
      case "response.output_item.added":
        if (isObject(event["item"])) this.#added(event["item"], out)
        return
      case "response.output_item.done":
        if (isObject(event["item"])) this.#done(event["item"])
        return
      case "response.completed":
      case "response.incomplete":
      case "response.failed":
        this.#close(event["type"], isObject(event["response"]) ? event["response"] : {})
        return
      case "error": {
        const said = errorText(data)
        throw failureOf(
          kindOf(500, said),
          `the service reported an error: ${said.message || said.code || "no details"}`,
        )
      }
      default:
        return
    }
  }

  #text(text: string, out: ModelEvent[]): void {
    if (text === "") return
    this.#answer.text(text)
    out.push({ type: "text.delta", text })
  }

  #thinking(text: string, out: ModelEvent[]): void {
    if (text === "") return
    this.#answer.thinking(text)
    out.push({ type: "thinking.delta", text })
  }

  #added(item: Record<string, unknown>, out: ModelEvent[]): void {
    if (item["type"] !== "function_call") return
    const call = this.#answer.call(
      String(item["id"]),
      String(item["call_id"] ?? item["id"]),
      String(item["name"] ?? ""),
    )
    out.push({ type: "tool.started", callId: call.callId, name: call.name })
  }

  #done(item: Record<string, unknown>): void {
    if (item["type"] === "function_call") {
      const call = this.#answer.call(
        String(item["id"]),
        String(item["call_id"] ?? item["id"]),
        String(item["name"] ?? ""),
      )
      call.raw = String(item["arguments"] ?? "")
      this.#finished.add(String(item["id"]))
    } else if (item["type"] === "reasoning" && typeof item["encrypted_content"] === "string") {
      const last = this.#answer.last
      const sealed = { opaque: item["encrypted_content"], provider: this.#providerId }
      if (last?.type === "thinking" && last.opaque === undefined) Object.assign(last, sealed)
      else this.#answer.push({ type: "thinking", text: "", ...sealed })
    }
  }

  #close(type: string, response: Record<string, unknown>): void {
    if (typeof response["model"] === "string") this.#model = response["model"]
    if (isObject(response["usage"])) this.#usage = decodeUsage(response["usage"])
    if (type === "response.failed") {
      const said = errorText(JSON.stringify(response))
      throw failureOf(kindOf(500, said), `the service reported an error: ${said.message || said.code || "no details"}`)
    }
    if (type === "response.incomplete") {
      const details = response["incomplete_details"]
      const reason = isObject(details) ? details["reason"] : undefined
      this.#end = { stop: reason === "content_filter" ? "content_filter" : "length", whole: false }
    } else this.#end = { stop: this.#answer.hasCalls ? "tool_calls" : this.#refused ? "refusal" : "stop", whole: true }
  }

  received(): Part[] {
    return this.#answer.received()
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

function decodeUsage(usage: Record<string, unknown>): Usage {
  const number = (value: unknown) => (typeof value === "number" ? value : 0)
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
