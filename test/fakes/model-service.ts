// One fake model service that speaks all four wires as they really are, and misbehaves on demand. Scripted per request; what was
// asked is kept. Stand-alone for benchmarks: `node test/fakes/model-service.ts --port 0 --deltas 1000` prints its URL and answers
// every chat completion with that many deltas, as cheaply as it can.
import http from "node:http"
import type { AddressInfo } from "node:net"

export interface FakeCall {
  id?: string
  name: string
  /** An object, or text that is sent as it is (broken JSON). */
  args: Record<string, unknown> | string
}

/** How a request is answered. Without `fail`, the parts that are given are streamed in order: thinking, text, calls, end. */
export interface FakeReply {
  text?: string
  /** Characters in a delta; default 5. */
  deltaSize?: number
  thinking?: string
  calls?: FakeCall[]
  /** Finish word of the OpenAI chat wire ("stop", "length", "tool_calls", "content_filter"); translated for the others. */
  finish?: "stop" | "length" | "tool_calls" | "content_filter"
  usage?: { input: number; output: number; cached?: number; reasoning?: number } | null
  /** Awaited after the first delta. */
  gate?: Promise<unknown>
  fail?:
    | { type: "status"; status: number; body?: string; headers?: Record<string, string> }
    /** Never answers, or answers and falls silent after the first delta. */
    | { type: "stall"; after: "nothing" | "first" }
    /** Closes the socket after the text (and after the calls, when there are any). */
    | { type: "cut" }
    /** Ends the stream as if all were well, without a finish reason. */
    | { type: "no-finish" }
    | { type: "html" }
    | { type: "broken-json" }
    | { type: "error-event"; message: string; code?: string }
    /** Wrong content type. */
    | { type: "content-type"; value: string }
}

export interface FakeRequest {
  method: string
  path: string
  headers: http.IncomingHttpHeaders
  body: Record<string, unknown>
  wire: Wire
  /** Resolves when the client has closed the connection before the answer ended. */
  closed: Promise<void>
}

export type Wire = "openai-chat" | "openai-responses" | "anthropic" | "gemini" | "other"

export interface FakeModel {
  url: string
  requests: FakeRequest[]
  /** Answers the next request without an answer; in order. */
  script(...replies: FakeReply[]): void
  /** Answers what nothing was scripted for. */
  otherwise(reply: FakeReply | ((request: FakeRequest) => FakeReply)): void
  close(): Promise<void>
}

const USAGE = { input: 11, output: 7, cached: 3, reasoning: 0 }

export async function startFakeModel(): Promise<FakeModel> {
  const queue: FakeReply[] = []
  const requests: FakeRequest[] = []
  let fallback: FakeReply | ((request: FakeRequest) => FakeReply) = { text: "Hello from the fake model." }
  const server = http.createServer((incoming, response) => {
    void (async () => {
      const chunks: Buffer[] = []
      for await (const chunk of incoming) chunks.push(chunk as Buffer)
      const text = Buffer.concat(chunks).toString("utf8")
      const path = incoming.url ?? ""
      const closed = new Promise<void>((resolve) =>
        response.once("close", () => !response.writableFinished && resolve()),
      )
      const body = text === "" ? {} : (JSON.parse(text) as Record<string, unknown>)
      const request: FakeRequest = {
        method: incoming.method ?? "",
        path,
        headers: incoming.headers,
        body,
        wire: wireOf(path),
        closed,
      }
      if (incoming.method === "GET") {
        respondJson(response, modelList(request.wire, path))
        return
      }
      requests.push(request)
      const reply = queue.shift() ?? (typeof fallback === "function" ? fallback(request) : fallback)
      if (path.endsWith("/embeddings")) respondJson(response, embeddings(body))
      else await answer(request, response, reply)
    })().catch(() => response.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    requests,
    script: (...replies) => void queue.push(...replies),
    otherwise: (reply) => {
      fallback = reply
    },
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

function wireOf(path: string): Wire {
  if (path.endsWith("/chat/completions")) return "openai-chat"
  if (path.endsWith("/responses")) return "openai-responses"
  if (path.endsWith("/messages")) return "anthropic"
  if (/:streamGenerateContent/.test(path) || path.includes("v1beta")) return "gemini"
  return "other"
}

function respondJson(response: http.ServerResponse, body: unknown): void {
  response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(body))
}

function modelList(wire: Wire, path: string): unknown {
  if (wire === "gemini" || path.includes("v1beta"))
    return {
      models: [
        {
          name: "models/test-model",
          displayName: "Test",
          inputTokenLimit: 1000,
          supportedGenerationMethods: ["generateContent"],
        },
      ],
    }
  return { object: "list", data: [{ id: "test-model", object: "model", owned_by: "fake", display_name: "Test" }] }
}

function embeddings(body: Record<string, unknown>): unknown {
  const input = Array.isArray(body["input"]) ? body["input"] : [body["input"]]
  const data = input.map((text, index) => ({ object: "embedding", index, embedding: [String(text).length, 0.5, -1] }))
  return {
    object: "list",
    data,
    model: body["model"],
    usage: { prompt_tokens: input.length, total_tokens: input.length },
  }
}

async function answer(request: FakeRequest, response: http.ServerResponse, reply: FakeReply): Promise<void> {
  const { fail } = reply
  if (fail?.type === "status") {
    const body = fail.body ?? JSON.stringify({ error: { message: `status ${fail.status}`, type: "fake_error" } })
    response
      .writeHead(fail.status, {
        "content-type": body.startsWith("<") ? "text/html" : "application/json",
        ...fail.headers,
      })
      .end(body)
    return
  }
  if (fail?.type === "stall" && fail.after === "nothing") return
  if (fail?.type === "html") {
    response
      .writeHead(200, { "content-type": "text/html" })
      .end("<!doctype html><html><body>Sign in to the Wi-Fi</body></html>")
    return
  }
  response.writeHead(200, { "content-type": fail?.type === "content-type" ? fail.value : "text/event-stream" })
  const events = eventsOf(request, reply)
  let first = true
  for (const { data, event, part } of events) {
    if (response.destroyed) return
    if (fail && part === "end") break
    response.write(`${event ? `event: ${event}\n` : ""}data: ${data}\n\n`)
    if (part === "delta" && first) {
      first = false
      if (reply.gate) await reply.gate
      if (fail?.type === "stall") return
      if (fail?.type === "broken-json") {
        response.end('data: {"choices": [{\n\n')
        return
      }
    }
  }
  if (fail?.type === "cut") {
    // What was written must be on its way before the socket goes.
    await new Promise((resolve) => setImmediate(resolve))
    response.socket?.destroy()
    return
  }
  if (fail?.type === "error-event") response.write(errorEvent(request.wire, fail.message, fail.code ?? "server_error"))
  response.end(fail === undefined && request.wire === "openai-chat" ? "data: [DONE]\n\n" : undefined)
}

function errorEvent(wire: Wire, message: string, code: string): string {
  if (wire === "anthropic")
    return `event: error\ndata: ${JSON.stringify({ type: "error", error: { type: code, message } })}\n\n`
  if (wire === "openai-responses") return `event: error\ndata: ${JSON.stringify({ type: "error", code, message })}\n\n`
  return `data: ${JSON.stringify({ error: { message, type: code, code } })}\n\n`
}

interface WireEvent {
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

function eventsOf(request: FakeRequest, reply: FakeReply): WireEvent[] {
  switch (request.wire) {
    case "openai-responses":
      return responsesEvents(request, reply)
    case "anthropic":
      return anthropicEvents(reply)
    case "gemini":
      return geminiEvents(reply)
    default:
      return chatEvents(request, reply)
  }
}

function usageOf(reply: FakeReply) {
  return reply.usage === null ? undefined : { ...USAGE, ...reply.usage }
}

function chatEvents(request: FakeRequest, reply: FakeReply): WireEvent[] {
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
      model: request.body["model"],
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
        model: request.body["model"],
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

function responsesEvents(request: FakeRequest, reply: FakeReply): WireEvent[] {
  const size = reply.deltaSize ?? 5
  const events: WireEvent[] = []
  let n = 0
  const put = (type: string, part: WireEvent["part"], fields: object) =>
    events.push({ event: type, part, data: JSON.stringify({ type, sequence_number: n++, ...fields }) })
  const response = (status: string, extra: object = {}) => ({
    id: "resp_fake",
    object: "response",
    status,
    model: request.body["model"],
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
    message: { id: "msg_fake", type: "message", role: "assistant", model: "test-model", content: [], usage: started },
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

/** Serves pre-encoded chat completions: for benchmarks, where the fake must cost next to nothing. */
function serveBenchmark(port: number, deltas: number): void {
  const chunk = (delta: unknown, finish: string | null = null) =>
    Buffer.from(
      `data: ${JSON.stringify({ id: "chatcmpl-b", object: "chat.completion.chunk", created: 1, model: "test-model", choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`,
    )
  const first = chunk({ role: "assistant", content: "" })
  const one = chunk({ content: "word " })
  const usage = { prompt_tokens: 10, completion_tokens: deltas, total_tokens: 10 + deltas }
  const tail = Buffer.concat([
    chunk({}, "stop"),
    Buffer.from(
      `data: ${JSON.stringify({ id: "chatcmpl-b", object: "chat.completion.chunk", created: 1, model: "test-model", choices: [], usage })}\n\ndata: [DONE]\n\n`,
    ),
  ])
  const server = http.createServer((request, response) => {
    request.resume()
    request.once("end", () => {
      response.writeHead(200, { "content-type": "text/event-stream" })
      response.write(first)
      let left = deltas
      // One write per event, as a model service does, but yielding so that they leave one by one.
      const next = () => {
        for (let i = 0; i < 10 && left > 0; i++, left--) response.write(one)
        if (left > 0) setImmediate(next)
        else response.end(tail)
      }
      next()
    })
  })
  server.listen(port, "127.0.0.1", () =>
    process.stdout.write(`http://127.0.0.1:${(server.address() as AddressInfo).port}\n`),
  )
}

if (import.meta.main) {
  const flag = (name: string, fallback: number) => {
    const at = process.argv.indexOf(name)
    return at < 0 ? fallback : Number(process.argv[at + 1])
  }
  serveBenchmark(flag("--port", 0), flag("--deltas", 1))
}
