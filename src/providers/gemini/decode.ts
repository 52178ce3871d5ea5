// Gemini's stream into our events (ai.google.dev/api/generate-content#method:-models.streamgeneratecontent). Every line is a whole
// GenerateContentResponse; calls come whole. Whole only when a finish reason came.
import { uuid } from "../../base/id.ts"
import { isObject } from "../../base/json.ts"
import { NO_USAGE, type Part, type StopReason, type Usage } from "../../protocol/message.ts"
import { AnswerParts, closeCall, estimateUsage } from "../collect.ts"
import { errorText, failureOf, kindOf } from "../failure.ts"
import { parseEvent } from "../http.ts"
import type { ModelEvent, ModelRequest } from "../provider.ts"
import type { Decoder } from "../stream.ts"

const FILTERED = new Set([
  "SAFETY",
  "RECITATION",
  "LANGUAGE",
  "BLOCKLIST",
  "PROHIBITED_CONTENT",
  "SPII",
  "IMAGE_SAFETY",
  "IMAGE_PROHIBITED_CONTENT",
  "IMAGE_RECITATION",
])

export class GeminiDecoder implements Decoder {
  readonly #request: ModelRequest
  readonly #provider: string
  readonly #answer = new AnswerParts()
  #called = false
  #usage: Usage | undefined
  #model: string | undefined
  #finish: string | undefined
  #finishMessage = ""
  #blocked: string | undefined

  constructor(request: ModelRequest, provider: string) {
    this.#request = request
    this.#provider = provider
  }

  push(data: string, out: ModelEvent[]): void {
    const chunk = parseEvent(data)
    if (chunk["error"] !== undefined) throw streamError(chunk["error"], data)
    if (typeof chunk["modelVersion"] === "string") this.#model = chunk["modelVersion"]
    if (isObject(chunk["usageMetadata"])) this.#usage = decodeUsage(chunk["usageMetadata"])
    const feedback = chunk["promptFeedback"]
    if (isObject(feedback) && typeof feedback["blockReason"] === "string") this.#blocked = feedback["blockReason"]
    const candidates = chunk["candidates"]
    const candidate: unknown = Array.isArray(candidates) ? candidates[0] : undefined
    if (!isObject(candidate)) return
    const content = candidate["content"]
    const parts = isObject(content) ? content["parts"] : undefined
    if (Array.isArray(parts)) for (const part of parts) if (isObject(part)) this.#part(part, out)
    // A failure that was reported once is not taken back by a later chunk.
    if (typeof candidate["finishReason"] === "string" && (this.#finish ?? "STOP") === "STOP")
      this.#finish = candidate["finishReason"]
    if (typeof candidate["finishMessage"] === "string") this.#finishMessage = candidate["finishMessage"]
  }

  #part(part: Record<string, unknown>, out: ModelEvent[]): void {
    const text = typeof part["text"] === "string" ? part["text"] : ""
    const signature = typeof part["thoughtSignature"] === "string" ? part["thoughtSignature"] : undefined
    if (isObject(part["functionCall"])) {
      this.#call(part["functionCall"], signature, out)
      return
    }
    if (text !== "" && part["thought"] === true) {
      if (signature !== undefined)
        this.#answer.push({ type: "thinking", text, opaque: signature, provider: this.#provider })
      else this.#answer.thinking(text)
      out.push({ type: "thinking.delta", text })
      return
    }
    this.#answer.say(text, out)
    if (signature !== undefined)
      this.#answer.push({ type: "thinking", text: "", opaque: signature, provider: this.#provider })
  }

  #call(call: Record<string, unknown>, opaque: string | undefined, out: ModelEvent[]): void {
    const callId = typeof call["id"] === "string" && call["id"] !== "" ? call["id"] : `call_${uuid()}`
    const name = typeof call["name"] === "string" ? call["name"] : ""
    const raw = call["args"] === undefined || call["args"] === null ? "" : JSON.stringify(call["args"])
    this.#called = true
    this.#answer.push(closeCall({ callId, name, raw, ...(opaque === undefined ? {} : { opaque }) }))
    out.push({ type: "tool.started", callId, name })
  }

  end(): ModelEvent {
    const stop = this.#reason()
    return {
      type: "done",
      stop,
      content: stop === "tool_calls" ? this.#answer.content(true) : this.#answer.received(),
      usage: this.#usage ?? estimateUsage(this.#request, this.#answer.size()),
      ...(this.#model === undefined ? {} : { model: this.#model }),
    }
  }

  #reason(): StopReason {
    const finish = this.#finish
    if (finish === undefined && this.#blocked !== undefined)
      throw failureOf("refusal", `the service blocked the prompt (${this.#blocked})`)
    if (finish === undefined) throw failureOf("truncated", "the answer ended without a finish reason")
    if (finish === "STOP") return this.#called ? "tool_calls" : "stop"
    if (finish === "MAX_TOKENS") return "length"
    if (FILTERED.has(finish)) return "content_filter"
    // MALFORMED_FUNCTION_CALL, UNEXPECTED_TOOL_CALL, OTHER and the like: the service failed at its own answer, another try may do.
    const more = this.#finishMessage === "" ? "" : `: ${this.#finishMessage.slice(0, 300)}`
    throw failureOf("server", `the service ended its answer with ${finish}${more}`)
  }

  received(): Part[] {
    return this.#answer.received()
  }

  counted(): Usage | undefined {
    return this.#usage
  }
}

function streamError(error: unknown, data: string) {
  const said = errorText(data)
  const status = isObject(error) && typeof error["code"] === "number" ? error["code"] : 500
  return failureOf(
    kindOf(status, said),
    `the service reported an error: ${said.message || said.code || "no details"}`,
    {
      status,
    },
  )
}

/** Prompt counts include cached tokens; thoughts are counted beside the answer, and billed like it. */
function decodeUsage(wire: Record<string, unknown>): Usage {
  const number = (name: string) => (typeof wire[name] === "number" ? wire[name] : 0)
  const thoughts = number("thoughtsTokenCount")
  return {
    ...NO_USAGE,
    inputTokens: number("promptTokenCount") + number("toolUsePromptTokenCount"),
    outputTokens: number("candidatesTokenCount") + thoughts,
    cacheReadTokens: number("cachedContentTokenCount"),
    reasoningTokens: thoughts,
  }
}
