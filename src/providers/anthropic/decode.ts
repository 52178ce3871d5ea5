// Anthropic's message stream into our events (platform.claude.com/docs/en/build-with-claude/streaming). Whole only when
// message_stop came; a call's arguments are parsed once its block has stopped. Unknown events and blocks are passed over.
import { isObject } from "../../base/json.ts"
import { NO_USAGE, type Part, type StopReason, type ToolCallPart, type Usage } from "../../protocol/message.ts"
import { AnswerParts, closeCall, estimateUsage } from "../collect.ts"
import { errorText, type FailureError, failureOf, kindOf } from "../failure.ts"
import { parseEvent } from "../http.ts"
import type { ModelEvent, ModelRequest } from "../provider.ts"
import type { Decoder } from "../stream.ts"
import { REDACTED } from "./encode.ts"

/** HTTP status that each error type has when it is not in a stream (platform.claude.com/docs/en/api/errors). */
const STATUS: Readonly<Record<string, number>> = {
  invalid_request_error: 400,
  authentication_error: 401,
  billing_error: 402,
  permission_error: 403,
  not_found_error: 404,
  request_too_large: 413,
  rate_limit_error: 429,
  api_error: 500,
  timeout_error: 504,
  overloaded_error: 529,
}

export class AnthropicDecoder implements Decoder {
  readonly #request: ModelRequest
  readonly #provider: string
  readonly #answer = new AnswerParts()
  /** Calls that are being written, by block index. Their place among text and thinking is kept: signed thinking demands it. */
  readonly #open = new Map<number, { part: ToolCallPart; raw: string; input: unknown }>()
  #called = false
  #usage: Usage | undefined
  #model: string | undefined
  #stopReason: string | undefined
  #stopped = false

  constructor(request: ModelRequest, provider: string) {
    this.#request = request
    this.#provider = provider
  }

  push(data: string, out: ModelEvent[]): void {
    const event = parseEvent(data)
    switch (event["type"]) {
      case "content_block_delta":
        if (isObject(event["delta"])) this.#delta(Number(event["index"]), event["delta"], out)
        return
      case "content_block_start":
        if (isObject(event["content_block"])) this.#start(Number(event["index"]), event["content_block"], out)
        return
      case "content_block_stop":
        this.#stop(Number(event["index"]))
        return
      case "message_start":
        if (isObject(event["message"])) this.#begin(event["message"])
        return
      case "message_delta":
        if (isObject(event["delta"]) && typeof event["delta"]["stop_reason"] === "string")
          this.#stopReason = event["delta"]["stop_reason"]
        if (isObject(event["usage"])) this.#usage = decodeUsage(event["usage"], this.#usage)
        return
      case "message_stop":
        this.#stopped = true
        return
      case "error":
        throw streamError(data)
    }
  }

  #begin(message: Record<string, unknown>): void {
    if (typeof message["model"] === "string") this.#model = message["model"]
    if (isObject(message["usage"])) this.#usage = decodeUsage(message["usage"], undefined)
  }

  #start(index: number, block: Record<string, unknown>, out: ModelEvent[]): void {
    const said = block["type"] === "text" ? block["text"] : block["thinking"]
    if (block["type"] === "text") {
      if (typeof said === "string") this.#answer.say(said, out)
    } else if (block["type"] === "thinking") {
      const signature = block["signature"]
      const opaque = typeof signature === "string" && signature !== "" ? { opaque: signature } : {}
      this.#answer.push({ type: "thinking", text: "", provider: this.#provider, ...opaque })
      if (typeof said === "string") this.#answer.think(said, out)
    } else if (block["type"] === "redacted_thinking" && typeof block["data"] === "string")
      this.#answer.push({ type: "thinking", text: "", opaque: REDACTED + block["data"], provider: this.#provider })
    else if (block["type"] === "tool_use") {
      const callId = typeof block["id"] === "string" ? block["id"] : ""
      const name = typeof block["name"] === "string" ? block["name"] : ""
      const part: ToolCallPart = { type: "tool.call", callId, name }
      this.#called = true
      this.#open.set(index, { part, raw: "", input: block["input"] })
      this.#answer.push(part)
      out.push({ type: "tool.started", callId, name })
    }
  }

  #delta(index: number, delta: Record<string, unknown>, out: ModelEvent[]): void {
    if (typeof delta["text"] === "string") this.#answer.say(delta["text"], out)
    else if (typeof delta["thinking"] === "string") this.#answer.think(delta["thinking"], out)
    else if (typeof delta["signature"] === "string") {
      const last = this.#answer.last
      if (last?.type === "thinking") last.opaque = (last.opaque ?? "") + delta["signature"]
    } else if (typeof delta["partial_json"] === "string") {
      const call = this.#open.get(index)
      if (call) call.raw += delta["partial_json"]
    }
  }

  #stop(index: number): void {
    const call = this.#open.get(index)
    if (!call) return
    this.#open.delete(index)
    // Some compatible services hand the whole input over when they open the block.
    const raw = call.raw === "" && isObject(call.input) ? JSON.stringify(call.input) : call.raw
    Object.assign(call.part, closeCall({ callId: call.part.callId, name: call.part.name, raw }))
  }

  end(): ModelEvent {
    if (!this.#stopped) throw failureOf("truncated", "the answer ended without message_stop")
    const stop = this.#reason()
    if (stop === "tool_calls" && this.#open.size > 0)
      throw failureOf("truncated", "the answer ended in the middle of a tool call")
    return {
      type: "done",
      stop,
      content: stop === "tool_calls" ? this.#answer.content(true) : this.#answer.received(),
      usage: this.#usage ?? estimateUsage(this.#request, this.#answer.size()),
      ...(this.#model === undefined ? {} : { model: this.#model }),
    }
  }

  #reason(): StopReason {
    switch (this.#stopReason) {
      case undefined:
        throw failureOf("truncated", "the answer ended without a stop reason")
      case "max_tokens":
      case "model_context_window_exceeded":
        return "length"
      case "refusal":
        return "refusal"
      default:
        return this.#called ? "tool_calls" : "stop"
    }
  }

  /** True once the service has said that nothing follows. */
  get isOver(): boolean {
    return this.#stopped
  }

  received(): Part[] {
    return this.#answer.received()
  }

  counted(): Usage | undefined {
    return this.#usage
  }
}

function streamError(data: string): FailureError {
  const said = errorText(data)
  const type = Object.keys(STATUS).find((one) => said.code.includes(one))
  return failureOf(
    kindOf(type === undefined ? 500 : STATUS[type]!, said),
    `the service reported an error: ${said.message || said.code || "no details"}`,
  )
}

/** Counts of the later event replace those of the first; what it leaves out stays. Input counts exclude cached tokens there. */
function decodeUsage(wire: Record<string, unknown>, before: Usage | undefined): Usage {
  const number = (name: string, otherwise: number) => (typeof wire[name] === "number" ? wire[name] : otherwise)
  const known = before ?? NO_USAGE
  const fresh = number("input_tokens", known.inputTokens - known.cacheReadTokens - known.cacheWriteTokens)
  const cacheReadTokens = number("cache_read_input_tokens", known.cacheReadTokens)
  const cacheWriteTokens = number("cache_creation_input_tokens", known.cacheWriteTokens)
  const details = wire["output_tokens_details"]
  const thought = isObject(details) ? details["thinking_tokens"] : undefined
  return {
    ...NO_USAGE,
    inputTokens: fresh + cacheReadTokens + cacheWriteTokens,
    outputTokens: number("output_tokens", known.outputTokens),
    cacheReadTokens,
    cacheWriteTokens,
    reasoningTokens: typeof thought === "number" ? thought : known.reasoningTokens,
  }
}
