// The four wires as they really are, from the service's side: what an answer looks like, event by event. Sources:
// platform.openai.com/docs/api-reference (chat, responses), docs.anthropic.com/en/api/messages-streaming, ai.google.dev/api.

export type Wire = "openai-chat" | "openai-responses" | "anthropic" | "gemini" | "other"

export interface FakeCall {
  id?: string
  name: string
  /** An object, or text that is sent as it is (broken JSON). */
  args: Record<string, unknown> | string
}

/** How a request is answered. Without `fail`, the parts that are given are streamed in order: thinking, text, calls, end. */
export interface FakeReply {
  text?: string
  /** Of the answer on the Anthropic and Responses wires; default: always the same one. */
  id?: string
  /** One JSON body instead of a stream. */
  json?: unknown
  /** Characters in a delta; default 5. */
  deltaSize?: number
  thinking?: string
  calls?: FakeCall[]
  /** Finish word of the OpenAI chat wire ("stop", "length", "tool_calls", "content_filter"); translated for the others. */
  finish?: "stop" | "length" | "tool_calls" | "content_filter"
  usage?: { input: number; output: number; cached?: number; reasoning?: number } | null
  /** Awaited after the first delta. */
  gate?: Promise<unknown>
  /** Awaited after the delta of this number, counted from 0. */
  gateAt?: (delta: number) => Promise<unknown> | undefined
  /** One byte at a time. */
  bytewise?: boolean
  fail?: /** `hang`: the body never ends. */
    | { type: "status"; status: number; body?: string; headers?: Record<string, string>; hang?: boolean }
    /** Closes the socket without a word. */
    | { type: "drop" }
    /** Never answers, or answers and falls silent after the first delta. */
    | { type: "stall"; after: "nothing" | "first" }
    /** Closes the socket after the text (and after the calls, when there are any); `half`: in the middle of the last call. */
    | { type: "cut"; half?: boolean }
    /** Says everything, and leaves the connection open. */
    | { type: "linger" }
    /** Ends the stream as if all were well, without a finish reason. */
    | { type: "no-finish" }
    | { type: "html" }
    | { type: "broken-json" }
    | { type: "error-event"; message: string; code?: string }
    /** Wrong content type. */
    | { type: "content-type"; value: string }
}

const USAGE = { input: 11, output: 7, cached: 3, reasoning: 0 }

export function errorEvent(wire: Wire, message: string, code: string): string {
  if (wire === "anthropic")
    return `event: error\ndata: ${JSON.stringify({ type: "error", error: { type: code, message } })}\n\n`
  if (wire === "openai-responses") return `event: error\ndata: ${JSON.stringify({ type: "error", code, message })}\n\n`
  return `data: ${JSON.stringify({ error: { message, type: code, code } })}\n\n`
}

export interface WireEvent {
  event?: string
  data: string
  part: "start" | "delta" | "call" | "end"
}

function pieces(text: string, size: number): string[] {
  const all: string[] = []
  const chars = [...text]
  for (let i = 0; i < chars.length; i += size) all.push(chars.slice(i, i + size).join(""))
  return all
}

const argsText = (call: FakeCall) => (typeof call.args === "string" ? call.args : JSON.stringify(call.args))

/** The events of a whole answer. */
export function eventsOf(wire: Wire, model: unknown, reply: FakeReply): WireEvent[] {
  switch (wire) {
    case "openai-responses":
      return responsesEvents(model, reply)
    case "anthropic":
      return anthropicEvents(reply)
    case "gemini":
      return geminiEvents(reply)
    default:
      return chatEvents(model, reply)
  }
}

function usageOf(reply: FakeReply) {
  return reply.usage === null ? undefined : { ...USAGE, ...reply.usage }
}

function chatEvents(model: unknown, reply: FakeReply): WireEvent[] {
  const chunk = (
    delta: unknown,
    part: WireEvent["part"],
    finish: string | null = null,
    extra: object = {},
  ): WireEvent => ({
    part,
    data: JSON.stringify({
      id: "chatcmpl-fake",
      object: "chat.completion.chunk",
      created: 1,
      model,
      choices: [{ index: 0, delta, finish_reason: finish }],
      ...extra,
    }),
  })
  const size = reply.deltaSize ?? 5
  const events = [chunk({ role: "assistant", content: "" }, "start")]
  for (const piece of pieces(reply.thinking ?? "", size)) events.push(chunk({ reasoning_content: piece }, "delta"))
  for (const piece of pieces(reply.text ?? "", size)) events.push(chunk({ content: piece }, "delta"))
  for (const [index, call] of (reply.calls ?? []).entries()) {
    const text = argsText(call)
    const half = Math.ceil(text.length / 2)
    const start = {
      index,
      id: call.id ?? `call_${index}`,
      type: "function",
      function: { name: call.name, arguments: "" },
    }
    events.push(chunk({ tool_calls: [start] }, "call"))
    for (const piece of [text.slice(0, half), text.slice(half)])
      events.push(chunk({ tool_calls: [{ index, function: { arguments: piece } }] }, "call"))
  }
  events.push(chunk({}, "end", reply.finish ?? (reply.calls ? "tool_calls" : "stop")))
  const usage = usageOf(reply)
  if (usage)
    events.push({
      part: "end",
      data: JSON.stringify({
        id: "chatcmpl-fake",
        object: "chat.completion.chunk",
        created: 1,
        model,
        choices: [],
        usage: {
          prompt_tokens: usage.input,
          completion_tokens: usage.output,
          total_tokens: usage.input + usage.output,
          prompt_tokens_details: { cached_tokens: usage.cached },
          completion_tokens_details: { reasoning_tokens: usage.reasoning },
        },
      }),
    })
  return events
}

function responsesEvents(model: unknown, reply: FakeReply): WireEvent[] {
  const size = reply.deltaSize ?? 5
  const events: WireEvent[] = []
  let n = 0
  const put = (type: string, part: WireEvent["part"], fields: object) =>
    events.push({ event: type, part, data: JSON.stringify({ type, sequence_number: n++, ...fields }) })
  const response = (status: string, extra: object = {}) => ({
    id: `resp_${reply.id ?? "fake"}`,
    object: "response",
    status,
    model,
    ...extra,
  })
  put("response.created", "start", { response: response("in_progress") })
  const output: unknown[] = []
  if (reply.thinking) {
    const item = {
      id: "rs_1",
      type: "reasoning",
      summary: [{ type: "summary_text", text: reply.thinking }],
      encrypted_content: "sealed",
    }
    put("response.output_item.added", "start", { output_index: 0, item: { ...item, summary: [] } })
    for (const delta of pieces(reply.thinking, size))
      put("response.reasoning_summary_text.delta", "delta", {
        item_id: "rs_1",
        output_index: 0,
        summary_index: 0,
        delta,
      })
    put("response.output_item.done", "start", { output_index: 0, item })
    output.push(item)
  }
  if (reply.text !== undefined) {
    const index = output.length
    const item = {
      id: "msg_1",
      type: "message",
      role: "assistant",
      status: "completed",
      content: [{ type: "output_text", text: reply.text, annotations: [] }],
    }
    put("response.output_item.added", "start", { output_index: index, item: { ...item, content: [] } })
    for (const delta of pieces(reply.text, size))
      put("response.output_text.delta", "delta", { item_id: "msg_1", output_index: index, content_index: 0, delta })
    put("response.output_item.done", "start", { output_index: index, item })
    output.push(item)
  }
  for (const [i, call] of (reply.calls ?? []).entries()) {
    const index = output.length
    const text = argsText(call)
    const item = {
      id: `fc_${i}`,
      type: "function_call",
      call_id: call.id ?? `call_${i}`,
      name: call.name,
      arguments: text,
      status: "completed",
    }
    put("response.output_item.added", "call", { output_index: index, item: { ...item, arguments: "" } })
    put("response.function_call_arguments.delta", "call", {
      item_id: item.id,
      output_index: index,
      delta: text.slice(0, 4),
    })
    put("response.function_call_arguments.delta", "call", {
      item_id: item.id,
      output_index: index,
      delta: text.slice(4),
    })
    if (reply.finish !== "length") put("response.output_item.done", "call", { output_index: index, item })
    output.push(item)
  }
  const usage = usageOf(reply)
  const wireUsage = usage && {
    input_tokens: usage.input,
    output_tokens: usage.output,
    total_tokens: usage.input + usage.output,
    input_tokens_details: { cached_tokens: usage.cached },
    output_tokens_details: { reasoning_tokens: usage.reasoning },
  }
  if (reply.finish === "length" || reply.finish === "content_filter") {
    const reason = reply.finish === "length" ? "max_output_tokens" : "content_filter"
    put("response.incomplete", "end", {
      response: response("incomplete", { incomplete_details: { reason }, output, usage: wireUsage }),
    })
  } else put("response.completed", "end", { response: response("completed", { output, usage: wireUsage }) })
  return events
}

function anthropicEvents(reply: FakeReply): WireEvent[] {
  const size = reply.deltaSize ?? 5
  const events: WireEvent[] = []
  const put = (type: string, part: WireEvent["part"], fields: object = {}) =>
    events.push({ event: type, part, data: JSON.stringify({ type, ...fields }) })
  const usage = usageOf(reply)
  const started = usage && {
    input_tokens: usage.input - (usage.cached ?? 0),
    cache_read_input_tokens: usage.cached,
    cache_creation_input_tokens: 0,
    output_tokens: 1,
  }
  put("message_start", "start", {
    message: {
      id: `msg_${reply.id ?? "fake"}`,
      type: "message",
      role: "assistant",
      model: "test-model",
      content: [],
      usage: started,
    },
  })
  put("ping", "start")
  let index = 0
  const block = (start: object, deltas: object[], part: WireEvent["part"]) => {
    put("content_block_start", "start", { index, content_block: start })
    for (const delta of deltas) put("content_block_delta", part, { index, delta })
    put("content_block_stop", part === "delta" ? "start" : part, { index })
    index += 1
  }
  if (reply.thinking) {
    const deltas: object[] = pieces(reply.thinking, size).map((thinking) => ({ type: "thinking_delta", thinking }))
    block(
      { type: "thinking", thinking: "", signature: "" },
      [...deltas, { type: "signature_delta", signature: "signed" }],
      "delta",
    )
  }
  if (reply.text !== undefined)
    block(
      { type: "text", text: "" },
      pieces(reply.text, size).map((text) => ({ type: "text_delta", text })),
      "delta",
    )
  for (const [i, call] of (reply.calls ?? []).entries()) {
    const text = argsText(call)
    const deltas = ["", text.slice(0, 4), text.slice(4)].map((partial_json) => ({
      type: "input_json_delta",
      partial_json,
    }))
    block({ type: "tool_use", id: call.id ?? `toolu_${i}`, name: call.name, input: {} }, deltas, "call")
  }
  const words = { stop: "end_turn", length: "max_tokens", tool_calls: "tool_use", content_filter: "refusal" }
  const stop = words[reply.finish ?? (reply.calls ? "tool_calls" : "stop")]
  put("message_delta", "end", {
    delta: { stop_reason: stop, stop_sequence: null },
    usage: usage && { output_tokens: usage.output },
  })
  put("message_stop", "end")
  return events
}

function geminiEvents(reply: FakeReply): WireEvent[] {
  const size = reply.deltaSize ?? 5
  const events: WireEvent[] = []
  const put = (parts: object[], part: WireEvent["part"], extra: object = {}, finish?: string) =>
    events.push({
      part,
      data: JSON.stringify({
        candidates: [{ content: { role: "model", parts }, index: 0, ...(finish ? { finishReason: finish } : {}) }],
        modelVersion: "test-model",
        ...extra,
      }),
    })
  for (const text of pieces(reply.thinking ?? "", size)) put([{ text, thought: true }], "delta")
  for (const text of pieces(reply.text ?? "", size)) put([{ text }], "delta")
  for (const call of reply.calls ?? []) {
    if (typeof call.args === "string") put([], "call", {}, "MALFORMED_FUNCTION_CALL")
    else
      put(
        [
          {
            functionCall: { name: call.name, args: call.args, ...(call.id ? { id: call.id } : {}) },
            thoughtSignature: "sig",
          },
        ],
        "call",
      )
  }
  const usage = usageOf(reply)
  const usageMetadata = usage && {
    promptTokenCount: usage.input,
    candidatesTokenCount: usage.output - (usage.reasoning ?? 0),
    thoughtsTokenCount: usage.reasoning,
    cachedContentTokenCount: usage.cached,
  }
  const words = { stop: "STOP", length: "MAX_TOKENS", tool_calls: "STOP", content_filter: "SAFETY" }
  put([{ text: "" }], "end", { usageMetadata }, words[reply.finish ?? "stop"])
  return events
}
