// What a turn says, as a Responses object and as its events (protocol §10.3): every event has an `event:` line and the next
// sequence number; items open and close in order; exactly one of completed, incomplete, failed ends the stream.
import type { PincerError } from "../../base/errors.ts"
import { silentLogger } from "../../base/log.ts"
import type { ToolCallPart, Usage } from "../../protocol/message.ts"
import type { TurnStop } from "../../protocol/turn.ts"
import type { ModelRef } from "../../providers/catalogue.ts"
import { argumentsText, headerText } from "./chat-writer.ts"
import { encodeRefusal, outcomeRefusal } from "./refusal.ts"
import type { DeltaEncoder, SseWriter } from "./sse.ts"
import type { TurnEnd, TurnSink } from "./turn-view.ts"

type Wire = Record<string, unknown>

export interface ResponseHead {
  /** "resp_" and 32 hexadecimal digits. */
  id: string
  /** Everything that is known at the start: what was asked, echoed. */
  base: Wire
}

export function responseUsage(usage: Usage): Wire {
  return {
    input_tokens: usage.inputTokens,
    input_tokens_details: { cached_tokens: usage.cacheReadTokens },
    output_tokens: usage.outputTokens,
    output_tokens_details: { reasoning_tokens: usage.reasoningTokens },
    total_tokens: usage.inputTokens + usage.outputTokens,
  }
}

/** Why an answer is incomplete, or null. The API has two words; limits of the gateway's own keep their name. */
function incompleteReason(stop: TurnStop): string | null {
  switch (stop) {
    case "max_output_tokens":
    case "content_filter":
      return stop
    case "refusal":
      return "content_filter"
    case "max_model_calls":
    case "time_limit":
    case "token_limit":
    case "cost_limit":
      return stop
    default:
      return null
  }
}

function reasoningItem(id: string, text: string): Wire {
  return { type: "reasoning", id, summary: [], content: [{ type: "reasoning_text", text }] }
}

function messageItem(id: string, text: string, status: "completed" | "incomplete"): Wire {
  return { type: "message", id, status, role: "assistant", content: [textPart(text)] }
}

function textPart(text: string): Wire {
  return { type: "output_text", text, annotations: [], logprobs: [] }
}

function callItem(call: ToolCallPart, id: string, status: "completed" | "in_progress"): Wire {
  const args = status === "completed" ? argumentsText(call) : ""
  return { type: "function_call", id, call_id: call.callId, name: call.name, arguments: args, status }
}

/** Items of an answer as they come. */
export interface OpenItem {
  kind: "message" | "reasoning"
  id: string
  index: number
  text: string
}

/** Collects the items, and the whole object at the end. */
export class ResponseAnswer implements TurnSink {
  readonly head: ResponseHead
  readonly output: Wire[] = []
  protected open: OpenItem | undefined
  readonly #finish: (body: Wire, end: TurnEnd) => void | Promise<void>
  readonly #refuse: (error: unknown) => void

  /** `finish` gets the response object; `refuse` the refusal of a turn that failed before anything was shown. */
  constructor(
    head: ResponseHead,
    finish: (body: Wire, end: TurnEnd) => void | Promise<void>,
    refuse: (error: unknown) => void,
  ) {
    this.head = head
    this.#finish = finish
    this.#refuse = refuse
  }

  text(delta: string): void {
    this.#item("message").text += delta
  }

  thinking(delta: string): void {
    this.#item("reasoning").text += delta
  }

  #item(kind: OpenItem["kind"]): OpenItem {
    if (this.open?.kind === kind) return this.open
    this.close("completed")
    const index = this.output.length
    const item = { kind, id: this.itemId(kind === "message" ? "msg" : "rs", index), index, text: "" }
    this.open = item
    this.opened(item)
    return item
  }

  /** A stable id per item: the turn's own digits and the item's place. */
  protected itemId(prefix: string, index: number): string {
    return `${prefix}_${this.head.id.slice("resp_".length)}${index.toString(16).padStart(4, "0")}`
  }

  protected opened(_item: OpenItem): void {
    return
  }

  protected closed(_item: OpenItem, _wire: Wire): void {
    return
  }

  protected called(_call: ToolCallPart, _id: string, _index: number): void {
    return
  }

  protected close(status: "completed" | "incomplete"): void {
    const item = this.open
    if (!item) return
    this.open = undefined
    const wire = item.kind === "message" ? messageItem(item.id, item.text, status) : reasoningItem(item.id, item.text)
    this.output.push(wire)
    this.closed(item, wire)
  }

  async ended(end: TurnEnd): Promise<void> {
    const { outcome, calls, toolsRan } = end
    const refusal = outcomeRefusal(outcome, toolsRan)
    if (refusal && !this.begun) {
      this.#refuse(refusal)
      return
    }
    const reason = incompleteReason(outcome.stop)
    this.close(refusal || reason ? "incomplete" : "completed")
    for (const call of calls) {
      const index = this.output.length
      const id = this.itemId("fc", index)
      this.output.push(callItem(call, id, "completed"))
      this.called(call, id, index)
    }
    const status = refusal ? "failed" : reason ? "incomplete" : "completed"
    const body: Wire = {
      ...this.head.base,
      status,
      error: refusal ? failureOf(refusal) : null,
      incomplete_details: reason && !refusal ? { reason } : null,
      output: this.output,
      usage: responseUsage(outcome.usage),
    }
    await this.#finish(body, end)
  }

  /** Whether anything has gone out, so that a failure is told in the answer and not by a status. */
  protected get begun(): boolean {
    return false
  }
}

function failureOf(refusal: PincerError): Wire {
  const { error } = encodeRefusal(refusal, silentLogger).body
  return { code: error.code, message: error.message }
}

/** The same as events on a stream. */
export class ResponseStream extends ResponseAnswer {
  readonly #writer: SseWriter
  #sequence = 0
  #begun = false
  #encoder: DeltaEncoder | undefined

  constructor(writer: SseWriter, head: ResponseHead, finish: (body: Wire, end: TurnEnd) => void | Promise<void>) {
    super(head, finish, (error) => writer.refuse(error))
    this.#writer = writer
  }

  protected override get begun(): boolean {
    return this.#begun
  }

  model(ref: ModelRef): void {
    this.#writer.headers["x-pincer-model"] = headerText(`${ref.provider}/${ref.model}`)
  }

  override text(delta: string): void {
    super.text(delta)
    this.#writer.delta(this.#encoder!, delta)
  }

  override thinking(delta: string): void {
    super.thinking(delta)
    this.#writer.delta(this.#encoder!, delta)
  }

  /** The closing event, and the end of the stream. */
  finish(body: Wire): void {
    this.#begin()
    this.#writer.end(() => `${this.#line(`response.${String(body["status"])}`, { response: body })}data: [DONE]\n\n`)
  }

  /** A failure after the stream began that is not the turn's own. */
  fail(error: unknown): void {
    this.#writer.refuse(error, (body) => {
      const { error: shown } = body as { error: Wire }
      return this.#line("error", { code: shown["code"], message: shown["message"], param: shown["param"] })
    })
  }

  protected override opened(item: OpenItem): void {
    this.#begin()
    const { id, index } = item
    const isMessage = item.kind === "message"
    const wire = isMessage
      ? { type: "message", id, status: "in_progress", role: "assistant", content: [] }
      : { type: "reasoning", id, summary: [], content: [], status: "in_progress" }
    this.#send("response.output_item.added", { output_index: index, item: wire })
    const part = isMessage ? textPart("") : { type: "reasoning_text", text: "" }
    this.#send("response.content_part.added", { item_id: id, output_index: index, content_index: 0, part })
    this.#encoder = this.#deltaEncoder(item)
  }

  /** Everything but the number and the text is the same in each delta of an item. */
  #deltaEncoder({ kind, id, index }: OpenItem): DeltaEncoder {
    const type = kind === "message" ? "response.output_text.delta" : "response.reasoning_text.delta"
    const fixed = JSON.stringify({ item_id: id, output_index: index, content_index: 0 }).slice(1, -1)
    const before = `event: ${type}\ndata: {"type":"${type}",${fixed},"sequence_number":`
    const after = kind === "message" ? ',"logprobs":[]}\n\n' : "}\n\n"
    return (text) => `${before}${this.#sequence++},"delta":${JSON.stringify(text)}${after}`
  }

  protected override closed(item: OpenItem, wire: Wire): void {
    const { id, index, text } = item
    const at = { item_id: id, output_index: index, content_index: 0 }
    const isMessage = item.kind === "message"
    if (isMessage) this.#send("response.output_text.done", { ...at, text, logprobs: [] })
    else this.#send("response.reasoning_text.done", { ...at, text })
    this.#send("response.content_part.done", {
      ...at,
      part: isMessage ? textPart(text) : { type: "reasoning_text", text },
    })
    this.#send("response.output_item.done", { output_index: index, item: wire })
  }

  protected override called(call: ToolCallPart, id: string, index: number): void {
    this.#begin()
    const args = argumentsText(call)
    const at = { item_id: id, output_index: index }
    this.#send("response.output_item.added", { output_index: index, item: callItem(call, id, "in_progress") })
    this.#send("response.function_call_arguments.delta", { ...at, delta: args })
    this.#send("response.function_call_arguments.done", { ...at, name: call.name, arguments: args })
    this.#send("response.output_item.done", { output_index: index, item: callItem(call, id, "completed") })
  }

  #begin(): void {
    if (this.#begun) return
    this.#begun = true
    const response = { ...this.head.base, status: "in_progress", error: null, incomplete_details: null, output: [] }
    this.#send("response.created", { response: { ...response, usage: null } })
    this.#send("response.in_progress", { response: { ...response, usage: null } })
  }

  #send(type: string, fields: Wire): void {
    this.#writer.event(() => this.#line(type, fields))
  }

  /** Numbered when it is made: after the deltas before it. */
  #line(type: string, fields: Wire): string {
    return `event: ${type}\ndata: ${JSON.stringify({ type, sequence_number: this.#sequence++, ...fields })}\n\n`
  }
}
