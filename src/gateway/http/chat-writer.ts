// What a turn says, as a chat completion: one JSON object, or chunks. In a stream only the text of a delta is encoded anew; the rest
// of its chunk is the same string every time.
import type { ServerResponse } from "node:http"
import type { Logger } from "../../base/log.ts"
import type { ToolCallPart, Usage } from "../../protocol/message.ts"
import type { TurnStop } from "../../protocol/turn.ts"
import type { ModelRef } from "../../providers/catalogue.ts"
import { outcomeRefusal, sendJson, sendRefusal } from "./refusal.ts"
import type { DeltaEncoder, SseWriter } from "./sse.ts"
import type { TurnEnd, TurnSink } from "./turn-view.ts"

export interface ChatHead {
  id: string
  /** Seconds since 1970. */
  created: number
  /** As the client named it. */
  model: string
  includeUsage: boolean
}

type FinishReason = "stop" | "length" | "tool_calls" | "content_filter"

/** Every limit that cuts an answer short is "length" here: the wire has no other word. */
export function finishReason(stop: TurnStop): FinishReason {
  switch (stop) {
    case "tool_calls":
      return "tool_calls"
    case "content_filter":
    case "refusal":
      return "content_filter"
    case "max_output_tokens":
    case "max_model_calls":
    case "time_limit":
    case "token_limit":
    case "cost_limit":
      return "length"
    default:
      return "stop"
  }
}

export function chatUsage(usage: Usage): Record<string, unknown> {
  return {
    prompt_tokens: usage.inputTokens,
    completion_tokens: usage.outputTokens,
    total_tokens: usage.inputTokens + usage.outputTokens,
    prompt_tokens_details: { cached_tokens: usage.cacheReadTokens },
    completion_tokens_details: { reasoning_tokens: usage.reasoningTokens },
  }
}

/** The arguments of a call as JSON text; what the model wrote when it is not valid. */
export function argumentsText(call: ToolCallPart): string {
  return call.args ? JSON.stringify(call.args) : (call.raw ?? "{}")
}

function wireCall(call: ToolCallPart) {
  return { id: call.callId, type: "function", function: { name: call.name, arguments: argumentsText(call) } }
}

/** Chunks on a stream. */
export class ChatStream implements TurnSink {
  readonly #writer: SseWriter
  readonly #head: ChatHead
  readonly #before: string
  readonly #after: string
  readonly #content: DeltaEncoder
  readonly #reasoning: DeltaEncoder
  #started = false

  constructor(writer: SseWriter, head: ChatHead) {
    const { id, created, model } = head
    const base = JSON.stringify({ id, object: "chat.completion.chunk", created, model })
    // With include_usage every chunk but the last says that its usage is null.
    const usage = head.includeUsage ? ',"usage":null' : ""
    const before = `data: ${base.slice(0, -1)},"choices":[{"index":0,"delta":{`
    const after = `},"logprobs":null,"finish_reason":null}]${usage}}\n\n`
    this.#writer = writer
    this.#head = head
    this.#before = before
    this.#after = after
    this.#content = (text) => `${before}"content":${JSON.stringify(text)}${after}`
    this.#reasoning = (text) => `${before}"reasoning_content":${JSON.stringify(text)}${after}`
  }

  model(ref: ModelRef): void {
    this.#writer.headers["x-pincer-model"] = headerText(`${ref.provider}/${ref.model}`)
  }

  text(delta: string): void {
    if (!this.#started) this.#start()
    this.#writer.delta(this.#content, delta)
  }

  thinking(delta: string): void {
    if (!this.#started) this.#start()
    this.#writer.delta(this.#reasoning, delta)
  }

  ended({ outcome, calls, toolsRan }: TurnEnd): void {
    const refusal = outcomeRefusal(outcome, toolsRan)
    if (refusal) {
      this.#writer.refuse(refusal)
      return
    }
    if (!this.#started) this.#start()
    for (const [index, call] of calls.entries()) {
      const text = JSON.stringify([{ index, ...wireCall(call) }])
      this.#writer.event(() => `${this.#before}"tool_calls":${text}${this.#after}`)
    }
    const reason = finishReason(outcome.stop)
    const finish = `${this.#before}${this.#after.replace('"finish_reason":null', `"finish_reason":"${reason}"`)}`
    this.#writer.end(() => `${finish}${this.#usage(outcome.usage)}data: [DONE]\n\n`)
  }

  #start(): void {
    this.#started = true
    this.#writer.event(() => `${this.#before}"role":"assistant","content":"","refusal":null${this.#after}`)
  }

  #usage(usage: Usage): string {
    if (!this.#head.includeUsage) return ""
    const { id, created, model } = this.#head
    const chunk = { id, object: "chat.completion.chunk", created, model, choices: [], usage: chatUsage(usage) }
    return `data: ${JSON.stringify(chunk)}\n\n`
  }
}

/** One JSON object at the end. */
export class ChatAnswer implements TurnSink {
  readonly #response: ServerResponse
  readonly #head: ChatHead
  readonly #log: Logger
  readonly #headers: Record<string, string>
  #text = ""
  #thinking = ""

  constructor(response: ServerResponse, head: ChatHead, headers: Record<string, string>, log: Logger) {
    this.#response = response
    this.#head = head
    this.#headers = { ...headers }
    this.#log = log
  }

  model(ref: ModelRef): void {
    this.#headers["x-pincer-model"] = headerText(`${ref.provider}/${ref.model}`)
  }

  text(delta: string): void {
    this.#text += delta
  }

  thinking(delta: string): void {
    this.#thinking += delta
  }

  ended({ outcome, calls, toolsRan }: TurnEnd): void {
    const refusal = outcomeRefusal(outcome, toolsRan)
    if (refusal) {
      sendRefusal(this.#response, refusal, this.#log)
      return
    }
    const { id, created, model } = this.#head
    const message = {
      role: "assistant",
      content: this.#text === "" && calls.length > 0 ? null : this.#text,
      refusal: null,
      ...(this.#thinking === "" ? {} : { reasoning_content: this.#thinking }),
      ...(calls.length === 0 ? {} : { tool_calls: calls.map(wireCall) }),
    }
    const choice = { index: 0, message, logprobs: null, finish_reason: finishReason(outcome.stop) }
    const body = { id, object: "chat.completion", created, model, choices: [choice], usage: chatUsage(outcome.usage) }
    sendJson(this.#response, 200, body, this.#headers)
  }
}

/** A value that a header can carry: names outside ASCII are percent-encoded. */
export function headerText(text: string): string {
  return /^[\x20-\x7e]*$/.test(text) ? text : encodeURI(text)
}
