import assert from "node:assert/strict"
import { test } from "node:test"
import { startFakeModel } from "../../../test/fakes/model-service.ts"
import { PincerError } from "../../base/errors.ts"
import type { Message, MessageRole, Part } from "../../protocol/message.ts"
import type { Sampling } from "../../protocol/turn.ts"
import { FailureError } from "../failure.ts"
import type { ModelEvent, ModelRequest } from "../provider.ts"
import type { ProviderSettings } from "../settings.ts"
import { AnthropicDecoder } from "./decode.ts"
import { encodeAnthropic } from "./encode.ts"
import { anthropic } from "./index.ts"
import { versionOf } from "./traits.ts"

type Wire = Record<string, unknown>
const SONNET = "claude-sonnet-4-6"
const never = new AbortController().signal

function message(role: MessageRole, content: Part[], more: Partial<Message> = {}): Message {
  return { id: "m", role, content, at: 0, ...more }
}
const say = (text: string): Part => ({ type: "text", text })
const user = (text: string) => message("user", [say(text)])

function request(more: Partial<ModelRequest> = {}): ModelRequest {
  return { model: SONNET, messages: [user("Hello")], tools: [], sampling: {}, ...more }
}
const encode = (more: Partial<ModelRequest> = {}) => encodeAnthropic(request(more), "anthropic")
const messagesOf = (body: Wire) => body["messages"] as { role: string; content: Wire[] }[]

const TOOL = { name: "read", description: "Reads", inputSchema: { properties: { path: { type: "string" } } } }
const CALL: Part = { type: "tool.call", callId: "toolu:1", name: "read", args: { path: "a" } }
const RESULT: Part = {
  type: "tool.result",
  callId: "toolu:1",
  name: "read",
  content: [say("text")] as never,
  isError: false,
}

test("the system prompt and the last two user messages carry cache breakpoints, four at most", () => {
  const messages = [user("1"), message("assistant", [say("2")]), user("3"), message("assistant", [say("4")]), user("5")]
  const body = encode({ system: "Be brief.", messages, tools: [TOOL] })
  assert.deepEqual(body["system"], [{ type: "text", text: "Be brief.", cache_control: { type: "ephemeral" } }])
  const marked = messagesOf(body).map((turn) => turn.content.some((block) => "cache_control" in block))
  assert.deepEqual(marked, [false, false, true, false, true])
  assert.equal(JSON.stringify(body).split("cache_control").length - 1, 3)
  assert.match(JSON.stringify(encode({ tools: [TOOL] })["tools"]), /cache_control/)
})

test("roles alternate, results stand first, empty text is left out", () => {
  const messages = [
    user("go"),
    message("assistant", [say(" "), say("Reading."), CALL]),
    message("tool", [RESULT]),
    user("and then?"),
    user("quick"),
  ]
  const turns = messagesOf(encode({ messages, tools: [TOOL] }))
  assert.deepEqual(
    turns.map((turn) => turn.role),
    ["user", "assistant", "user"],
  )
  assert.deepEqual(turns[1]?.content, [
    { type: "text", text: "Reading." },
    { type: "tool_use", id: "toolu_1", name: "read", input: { path: "a" } },
  ])
  assert.deepEqual(
    turns[2]?.content.map((block) => block["type"]),
    ["tool_result", "text", "text"],
  )
  assert.equal(turns[2]?.content[0]?.["tool_use_id"], "toolu_1")
})

test("a conversation that begins with the assistant gets a first user message", () => {
  assert.deepEqual(
    messagesOf(encode({ messages: [message("assistant", [say("Hi")]), user("x")] })).map((turn) => turn.role),
    ["user", "assistant", "user"],
  )
})

test("images, PDFs and text files are sent; what the service cannot read is named", () => {
  const content: Part[] = [
    { type: "image", mimeType: "image/png", data: "AA==" },
    { type: "image", mimeType: "image/tiff", data: "AA==" },
    { type: "file", mimeType: "application/pdf", name: "a.pdf", data: "AA==" },
    { type: "file", mimeType: "text/csv", name: "a.csv", data: Buffer.from("a,b").toString("base64") },
    { type: "file", mimeType: "application/zip", name: "a.zip", data: "AA==" },
  ]
  const blocks = messagesOf(encode({ messages: [message("user", content)] }))[0]?.content ?? []
  assert.deepEqual(
    blocks.map((block) => block["type"]),
    ["image", "text", "document", "document", "text"],
  )
  assert.deepEqual(blocks[3]?.["source"], { type: "text", media_type: "text/plain", data: "a,b" })
  const seen: Part = {
    ...RESULT,
    content: [{ type: "image", mimeType: "image/png", data: "AA==" }],
    isError: true,
  } as Part
  const result = messagesOf(encode({ messages: [user("x"), message("assistant", [CALL]), message("tool", [seen])] }))[2]
  assert.deepEqual(result?.content[0], {
    type: "tool_result",
    tool_use_id: "toolu_1",
    is_error: true,
    content: [{ type: "image", source: { type: "base64", media_type: "image/png", data: "AA==" } }],
    cache_control: { type: "ephemeral" },
  })
})

test("signed thinking goes back to the provider and model that wrote it, and to nobody else", () => {
  const thought = (provider: string, model: string): Message[] => [
    user("x"),
    message(
      "assistant",
      [
        { type: "thinking", text: "Hm", opaque: "sig", provider },
        { type: "thinking", text: "", opaque: "redacted:abc", provider },
        { type: "thinking", text: "unsigned", provider },
        say("Yes"),
      ],
      { provider, model },
    ),
  ]
  const types = (messages: Message[]) => messagesOf(encode({ messages }))[1]?.content
  assert.deepEqual(types(thought("anthropic", `${SONNET}-20260101`)), [
    { type: "thinking", thinking: "Hm", signature: "sig" },
    { type: "redacted_thinking", data: "abc" },
    { type: "text", text: "Yes" },
  ])
  assert.deepEqual(types(thought("anthropic", "claude-opus-4-6")), [{ type: "text", text: "Yes" }])
  assert.deepEqual(types(thought("my-proxy", SONNET)), [{ type: "text", text: "Yes" }])
})

test("thinking is asked for as each model takes it", () => {
  const ask = (model: string, sampling: Sampling) => {
    const body = encode({ model, sampling, tools: [TOOL] })
    return [body["thinking"], body["output_config"], body["temperature"]]
  }
  const adaptive = { type: "adaptive", display: "summarized" }
  const cases: [string, Sampling, unknown[]][] = [
    ["claude-3-5-haiku-latest", { thinking: "high", temperature: 1.5 }, [undefined, undefined, 1]],
    [
      "claude-sonnet-4-5-20250929",
      { thinking: "medium", temperature: 0.5 },
      [{ type: "enabled", budget_tokens: 10_000 }, undefined, undefined],
    ],
    [
      "claude-sonnet-4-5",
      { thinking: "xhigh", maxOutputTokens: 4_000 },
      [{ type: "enabled", budget_tokens: 2_976 }, undefined, undefined],
    ],
    ["claude-sonnet-4-5", { thinking: "low", maxOutputTokens: 1_500 }, [undefined, undefined, undefined]],
    ["claude-sonnet-4-5", { thinking: "low", toolChoice: "required" }, [undefined, undefined, undefined]],
    ["claude-opus-4-6", { thinking: "xhigh" }, [adaptive, { effort: "max" }, undefined]],
    ["claude-opus-4-6", { thinking: "off", temperature: 0 }, [undefined, undefined, 0]],
    ["claude-opus-4-7", { thinking: "minimal", temperature: 0.2 }, [adaptive, { effort: "low" }, undefined]],
    ["claude-opus-5", { thinking: "off" }, [{ type: "disabled" }, undefined, undefined]],
    ["claude-opus-5", { thinking: "high", toolChoice: { name: "read" } }, [{ type: "disabled" }, undefined, undefined]],
    ["claude-opus-5-5", { thinking: "off" }, [undefined, { effort: "low" }, undefined]],
    ["claude-mythos-preview", { thinking: "xhigh" }, [adaptive, { effort: "xhigh" }, undefined]],
    [
      "MiniMax-M2",
      { thinking: "low", temperature: 0.1 },
      [{ type: "enabled", budget_tokens: 4_096 }, undefined, undefined],
    ],
  ]
  for (const [model, sampling, expected] of cases)
    assert.deepEqual(ask(model, sampling), expected, `${model} ${JSON.stringify(sampling)}`)
})

test("a budget is not set when tool results answer a message without its thinking", () => {
  const messages = [user("x"), message("assistant", [CALL]), message("tool", [RESULT])]
  const body = encode({ model: "claude-sonnet-4-5", messages, tools: [TOOL], sampling: { thinking: "high" } })
  assert.equal(body["thinking"], undefined)
})

test("tool choice in the service's words; models that refuse to be forced are left to choose", () => {
  const choice = (model: string, sampling: Sampling) => encode({ model, sampling, tools: [TOOL] })["tool_choice"]
  assert.deepEqual(choice(SONNET, {}), { type: "auto" })
  assert.deepEqual(choice(SONNET, { toolChoice: "none" }), { type: "none" })
  assert.deepEqual(choice(SONNET, { toolChoice: "required", parallelToolCalls: false }), {
    type: "any",
    disable_parallel_tool_use: true,
  })
  assert.deepEqual(choice(SONNET, { toolChoice: { name: "read" } }), { type: "tool", name: "read" })
  assert.deepEqual(choice("claude-opus-5-5", { toolChoice: "required" }), { type: "auto" })
})

test("a history with calls keeps their tools declared when none may be called", () => {
  const body = encode({ messages: [user("x"), message("assistant", [CALL]), message("tool", [RESULT])] })
  assert.deepEqual(body["tool_choice"], { type: "none" })
  assert.equal((body["tools"] as Wire[])[0]?.["name"], "read")
  assert.equal(encode()["tools"], undefined)
})

test("a tool's schema has no combinator at its top, and still shows every property", () => {
  const member = (name: string) => ({ properties: { [name]: { type: "string" } }, required: [name] })
  const inputSchema = { oneOf: [member("a"), member("b")], properties: { c: { anyOf: [{ type: "string" }] } } }
  const [tool] = encode({ system: "x", tools: [{ ...TOOL, inputSchema }] })["tools"] as Wire[]
  assert.deepEqual(tool?.["input_schema"], {
    type: "object",
    properties: { a: { type: "string" }, b: { type: "string" }, c: { anyOf: [{ type: "string" }] } },
  })
})

test("a JSON schema for the answer stands beside the effort", () => {
  const responseFormat = { type: "json_schema", name: "x", schema: { type: "object" } } as const
  assert.deepEqual(encode({ sampling: { responseFormat, thinking: "low" } })["output_config"], {
    effort: "low",
    format: { type: "json_schema", schema: { type: "object" } },
  })
})

test("the version in a model's name", () => {
  const cases: [string, number | undefined][] = [
    ["claude-3-7-sonnet-latest", 3.07],
    ["claude-sonnet-4-5-20250929", 4.05],
    ["claude-opus-4-20250514", 4],
    ["claude-opus-4-10", 4.1],
    ["anthropic/claude-sonnet-4.5", 4.05],
    ["claude-sonnet-5", 5],
    ["claude-mythos-preview", undefined],
  ]
  for (const [model, version] of cases) assert.equal(versionOf(model), version, model)
})

const START = {
  type: "message_start",
  message: {
    model: "claude-x",
    usage: { input_tokens: 10, cache_read_input_tokens: 100, cache_creation_input_tokens: 20, output_tokens: 1 },
  },
}
const END = (reason: string, usage: object = { output_tokens: 9 }) => [
  { type: "message_delta", delta: { stop_reason: reason }, usage },
  { type: "message_stop" },
]
const block = (index: number, start: object, ...deltas: object[]) => [
  { type: "content_block_start", index, content_block: start },
  ...deltas.map((delta) => ({ type: "content_block_delta", index, delta })),
  { type: "content_block_stop", index },
]
const toolUse = (index: number, json: string[], input: object = {}) =>
  block(
    index,
    { type: "tool_use", id: `t${index}`, name: "read", input },
    ...json.map((partial_json) => ({ type: "input_json_delta", partial_json })),
  )

function decode(events: object[]) {
  const decoder = new AnthropicDecoder(request(), "anthropic")
  const out: ModelEvent[] = []
  for (const event of events) decoder.push(JSON.stringify(event), out)
  const done = decoder.end()
  assert.equal(done.type, "done")
  return { out, done: done as Extract<ModelEvent, { type: "done" }> }
}
function failureOfStream(events: (object | string)[]) {
  const decoder = new AnthropicDecoder(request(), "anthropic")
  try {
    for (const event of events) decoder.push(typeof event === "string" ? event : JSON.stringify(event), [])
    decoder.end()
  } catch (error) {
    assert.ok(error instanceof FailureError)
    return { kind: error.failure.kind, received: decoder.received() }
  }
  return assert.fail("the stream was taken as whole")
}

test("a whole answer: thinking with its signature, text, calls in their place, tokens with caches", () => {
  const { out, done } = decode([
    START,
    { type: "ping" },
    ...block(
      0,
      { type: "thinking", thinking: "", signature: "" },
      { type: "thinking_delta", thinking: "Hm" },
      { type: "signature_delta", signature: "sig" },
    ),
    ...block(1, { type: "redacted_thinking", data: "abc" }),
    ...block(
      2,
      { type: "text", text: "" },
      { type: "text_delta", text: "Let me " },
      { type: "text_delta", text: "look." },
    ),
    ...toolUse(3, ['{"path":', '"a"}']),
    ...block(4, { type: "thinking", thinking: "", signature: "between" }),
    ...toolUse(5, []),
    { type: "event_of_next_year" },
    ...END("tool_use"),
  ])
  assert.deepEqual(done.content, [
    { type: "thinking", text: "Hm", provider: "anthropic", opaque: "sig" },
    { type: "thinking", text: "", provider: "anthropic", opaque: "redacted:abc" },
    { type: "text", text: "Let me look." },
    { type: "tool.call", callId: "t3", name: "read", args: { path: "a" } },
    { type: "thinking", text: "", provider: "anthropic", opaque: "between" },
    { type: "tool.call", callId: "t5", name: "read", args: {} },
  ])
  assert.equal(done.stop, "tool_calls")
  assert.equal(done.model, "claude-x")
  assert.deepEqual(done.usage, {
    inputTokens: 130,
    outputTokens: 9,
    cacheReadTokens: 100,
    cacheWriteTokens: 20,
    reasoningTokens: 0,
    costUsd: null,
  })
  assert.deepEqual(
    out.map((event) => event.type),
    ["thinking.delta", "text.delta", "text.delta", "tool.started", "tool.started"],
  )
})

test("later counts replace the first ones", () => {
  const { done } = decode([
    START,
    ...END("end_turn", { input_tokens: 50, output_tokens: 7, output_tokens_details: { thinking_tokens: 3 } }),
  ])
  assert.deepEqual([done.usage.inputTokens, done.usage.outputTokens, done.usage.reasoningTokens], [170, 7, 3])
})

test("stop reasons", () => {
  const text = block(0, { type: "text", text: "x" })
  const cases: [string, string][] = [
    ["end_turn", "stop"],
    ["stop_sequence", "stop"],
    ["pause_turn", "stop"],
    ["max_tokens", "length"],
    ["model_context_window_exceeded", "length"],
    ["refusal", "refusal"],
  ]
  for (const [reason, stop] of cases) assert.equal(decode([START, ...text, ...END(reason)]).done.stop, stop)
})

test("no half call is handed on: neither at the token limit, nor from a block that never stopped", () => {
  const limited = decode([
    START,
    ...block(0, { type: "text", text: "x" }),
    ...toolUse(1, ['{"path":"/srv/da']),
    ...END("max_tokens"),
  ])
  assert.deepEqual(limited.done.content, [{ type: "text", text: "x" }])
  assert.equal(
    failureOfStream([START, ...toolUse(0, ['{"path":"/srv/da']).slice(0, -1), ...END("tool_use")]).kind,
    "truncated",
  )
})

test("arguments are parsed strictly: broken ones are kept as text", () => {
  const { done } = decode([START, ...toolUse(0, ['{"path":"/srv/da']), ...toolUse(1, ["[1]"]), ...END("tool_use")])
  assert.deepEqual(done.content, [
    { type: "tool.call", callId: "t0", name: "read", raw: '{"path":"/srv/da' },
    { type: "tool.call", callId: "t1", name: "read", raw: "[1]" },
  ])
  const whole = decode([START, ...toolUse(0, [], { path: "b" }), ...END("tool_use")]).done
  assert.deepEqual(whole.content[0]?.type === "tool.call" && whole.content[0].args, { path: "b" })
})

test("a stream without message_stop, without a stop reason, or with broken JSON is a failure that keeps the text", () => {
  const text = block(0, { type: "text", text: "so far" })
  assert.deepEqual(failureOfStream([START, ...text]), {
    kind: "truncated",
    received: [{ type: "text", text: "so far" }],
  })
  assert.equal(failureOfStream([START, ...text, END("end_turn")[0]!]).kind, "truncated")
  assert.equal(failureOfStream([START, { type: "message_stop" }]).kind, "truncated")
  assert.deepEqual(failureOfStream([...text, "{"]), { kind: "format", received: [{ type: "text", text: "so far" }] })
  assert.equal(failureOfStream(["null"]).kind, "format")
})

test("error events say what kind of failure they are", () => {
  const cases: [string, string, string][] = [
    ["overloaded_error", "Overloaded", "overloaded"],
    ["rate_limit_error", "Slow down", "rate_limit"],
    ["api_error", "Internal server error", "server"],
    ["authentication_error", "invalid x-api-key", "auth"],
    ["invalid_request_error", "messages: wrong", "invalid_request"],
    ["invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum", "context_length"],
    ["billing_error", "Your credit balance is too low", "billing"],
    ["something_else", "Oh", "server"],
  ]
  for (const [type, said, kind] of cases)
    assert.equal(failureOfStream([START, { type: "error", error: { type, message: said } }]).kind, kind, type)
})

function settings(url: string, more: Partial<ProviderSettings> = {}): ProviderSettings {
  const base = { headers: {}, models: [], connectTimeoutMs: 2_000, stallMs: 2_000, quirks: {} }
  return { id: "anthropic", wire: "anthropic", baseUrl: `${url}/v1`, apiKey: () => "sk-ant", ...base, ...more }
}

test("over HTTP: the key in its header only, a failed key is a failure, models are listed", async () => {
  const fake = await startFakeModel()
  try {
    fake.script({ thinking: "Hm", text: "Hello", calls: [{ name: "read", args: { path: "a" } }] })
    const events: ModelEvent[] = []
    for await (const event of anthropic(settings(fake.url)).stream(request(), never)) events.push(event)
    const done = events.at(-1)
    assert.deepEqual(done?.type === "done" && done.content.map((part) => part.type), ["thinking", "text", "tool.call"])
    const [asked] = fake.requests
    assert.equal(asked?.path, "/v1/messages")
    assert.equal(asked?.headers["x-api-key"], "sk-ant")
    assert.equal(asked?.headers["anthropic-version"], "2023-06-01")
    assert.equal(asked?.headers["authorization"], undefined)
    assert.doesNotMatch(JSON.stringify(asked?.body), /sk-ant/)
    fake.script({ text: "Half", fail: { type: "cut" } })
    const cut: ModelEvent[] = []
    for await (const event of anthropic(settings(fake.url)).stream(request(), never)) cut.push(event)
    const failure = cut.at(-1)
    assert.ok(failure?.type === "failed" && failure.failure.kind === "truncated")
    assert.equal(failure.failure.usage?.inputTokens, 11)
    const gone = settings(fake.url, {
      apiKey: () => {
        throw new PincerError("NOT_FOUND", "The key's file is gone")
      },
    })
    const failed: ModelEvent[] = []
    for await (const event of anthropic(gone).stream(request(), never)) failed.push(event)
    assert.equal(failed[0]?.type === "failed" && failed[0].failure.kind, "auth")
    const models = await anthropic(settings(fake.url)).listModels(never)
    assert.deepEqual(models, [{ id: "test-model", provider: "anthropic", name: "Test", tools: true }])
  } finally {
    await fake.close()
  }
})
