import assert from "node:assert/strict"
import { test } from "node:test"
import { startFakeModel } from "../../../test/fakes/model-service.ts"
import type { Message, MessageRole, Part } from "../../protocol/message.ts"
import type { Sampling } from "../../protocol/turn.ts"
import { FailureError } from "../failure.ts"
import type { ModelEvent, ModelRequest } from "../provider.ts"
import type { ProviderSettings } from "../settings.ts"
import { GeminiDecoder } from "./decode.ts"
import { encodeGemini } from "./encode.ts"
import { gemini } from "./index.ts"
import { cleanSchema } from "./schema.ts"

type Wire = Record<string, unknown>
const never = new AbortController().signal

function message(role: MessageRole, content: Part[], more: Partial<Message> = {}): Message {
  return { id: "m", role, content, at: 0, ...more }
}
const say = (text: string): Part => ({ type: "text", text })
const user = (text: string) => message("user", [say(text)])

function request(more: Partial<ModelRequest> = {}): ModelRequest {
  return { model: "gemini-3.6-flash", messages: [user("Hello")], tools: [], sampling: {}, ...more }
}
const encode = (more: Partial<ModelRequest> = {}) => encodeGemini(request(more), "gemini")
const contentsOf = (body: Wire) => body["contents"] as { role: string; parts: Wire[] }[]

const call = (callId: string, more: object = {}): Part => ({
  type: "tool.call",
  callId,
  name: "read",
  args: { path: callId },
  ...more,
})
const result = (callId: string, isError = false): Part => ({
  type: "tool.result",
  callId,
  name: "read",
  content: [{ type: "text", text: "text" }],
  isError,
})

test("roles become user and model, neighbours are merged, system stands apart", () => {
  const body = encode({
    system: "Be brief.",
    messages: [
      user("1"),
      user("2"),
      message("assistant", [say("3"), call("a")]),
      message("tool", [result("a", true)]),
      user("4"),
    ],
  })
  assert.deepEqual(body["systemInstruction"], { parts: [{ text: "Be brief." }] })
  const contents = contentsOf(body)
  assert.deepEqual(
    contents.map((turn) => [turn.role, turn.parts.length]),
    [
      ["user", 2],
      ["model", 2],
      ["user", 2],
    ],
  )
  assert.deepEqual(contents[2]?.parts[0], { functionResponse: { id: "a", name: "read", response: { error: "text" } } })
})

test("images and files go inline; images that a tool gave follow its response", () => {
  const seen: Part = {
    ...result("a"),
    content: [say("a picture"), { type: "image", mimeType: "image/png", data: "AA==" }],
  } as Part
  const file: Part = { type: "file", mimeType: "application/pdf", name: "a.pdf", data: "BB==" }
  const contents = contentsOf(
    encode({ messages: [message("user", [file]), message("assistant", [call("a")]), message("tool", [seen])] }),
  )
  assert.deepEqual(contents[0]?.parts, [{ inlineData: { mimeType: "application/pdf", data: "BB==" } }])
  assert.deepEqual(contents[2]?.parts, [
    { functionResponse: { id: "a", name: "read", response: { output: "a picture\n[image: see below]" } } },
    { inlineData: { mimeType: "image/png", data: "AA==" } },
  ])
})

test("signatures go back to the service that gave them; other models' calls carry the word that skips their check", () => {
  const content: Part[] = [
    { type: "thinking", text: "Hm", opaque: "sig-thought", provider: "gemini" },
    { type: "thinking", text: "unsigned" },
    say("Reading."),
    { type: "thinking", text: "", opaque: "sig-text", provider: "gemini" },
    call("a", { opaque: "sig-call" }),
    call("b"),
  ]
  const parts = (provider: string, model?: string) =>
    contentsOf(
      encode({ messages: [user("x"), message("assistant", content, { provider })], ...(model ? { model } : {}) }),
    )[1]?.parts
  const bare = (id: string) => ({ functionCall: { id, name: "read", args: { path: id } } })
  assert.deepEqual(parts("gemini"), [
    { text: "Hm", thought: true, thoughtSignature: "sig-thought" },
    { text: "Reading." },
    { text: "", thoughtSignature: "sig-text" },
    { ...bare("a"), thoughtSignature: "sig-call" },
    bare("b"),
  ])
  assert.deepEqual(parts("anthropic"), [
    { text: "Reading." },
    { ...bare("a"), thoughtSignature: "skip_thought_signature_validator" },
    bare("b"),
  ])
  assert.deepEqual(parts("anthropic", "gemini-2.5-flash")?.[1], { functionCall: { name: "read", args: { path: "a" } } })
})

test("thinking is asked for as each model takes it", () => {
  const cases: [string, Sampling["thinking"], unknown][] = [
    ["gemini-3.6-flash", "off", { includeThoughts: false, thinkingLevel: "MINIMAL" }],
    ["gemini-3.1-pro-preview", "off", { includeThoughts: false, thinkingLevel: "LOW" }],
    ["gemini-flash-latest", "xhigh", { includeThoughts: true, thinkingLevel: "HIGH" }],
    ["gemini-2.5-flash", "off", { includeThoughts: false, thinkingBudget: 0 }],
    ["gemini-2.5-pro", "off", { includeThoughts: false, thinkingBudget: 128 }],
    ["gemini-2.5-pro", "xhigh", { includeThoughts: true, thinkingBudget: 32_768 }],
    ["gemini-2.0-flash", "high", undefined],
    ["gemma-3", "high", undefined],
    ["gemini-3.6-flash", undefined, undefined],
  ]
  for (const [model, thinking, expected] of cases) {
    const config = encode({ model, sampling: { thinking, temperature: 1 } })["generationConfig"] as Wire
    assert.deepEqual(config["thinkingConfig"], expected, `${model} ${thinking}`)
  }
})

test("tools, tool choice and the answer's schema", () => {
  const tools = [{ name: "read", description: "Reads", inputSchema: { $schema: "x", properties: { a: { const: 1 } } } }]
  const body = encode({ tools, sampling: { toolChoice: { name: "read" }, maxOutputTokens: 5, stop: ["x"] } })
  assert.deepEqual(body["tools"], [
    {
      functionDeclarations: [
        {
          name: "read",
          description: "Reads",
          parametersJsonSchema: { type: "object", properties: { a: { enum: [1] } } },
        },
      ],
    },
  ])
  assert.deepEqual(body["toolConfig"], { functionCallingConfig: { mode: "ANY", allowedFunctionNames: ["read"] } })
  assert.deepEqual(body["generationConfig"], { maxOutputTokens: 5, stopSequences: ["x"] })
  const responseFormat = { type: "json_schema", name: "x", schema: { type: "object", default: {} } } as const
  assert.deepEqual(encode({ sampling: { responseFormat } })["generationConfig"], {
    responseMimeType: "application/json",
    responseJsonSchema: { type: "object" },
  })
})

test("schemas keep what the service knows; the rest is translated or left out, and the original stays as it was", () => {
  const schema = {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    type: "object",
    properties: {
      const: { type: "string", minLength: 1, pattern: "x" },
      either: { oneOf: [{ const: "a" }, { type: "null", examples: [null] }] },
      ref: { $ref: "#/definitions/node", description: "dropped" },
      all: {
        allOf: [
          { type: "object", properties: { a: { type: "string" } }, required: ["a"] },
          { properties: { b: {} }, required: ["b"] },
        ],
      },
      list: { type: "array", items: { type: "integer", exclusiveMinimum: 0, minimum: 1 } },
    },
    definitions: { node: { type: "object", patternProperties: { x: {} } } },
    required: ["const"],
    additionalProperties: false,
    if: {},
  }
  const before = structuredClone(schema)
  assert.deepEqual(cleanSchema(schema), {
    type: "object",
    properties: {
      const: { type: "string" },
      either: { anyOf: [{ enum: ["a"] }, { type: "null" }] },
      ref: { $ref: "#/$defs/node" },
      all: { type: "object", properties: { a: { type: "string" }, b: {} }, required: ["a", "b"] },
      list: { type: "array", items: { type: "integer", minimum: 1 } },
    },
    $defs: { node: { type: "object" } },
    required: ["const"],
    additionalProperties: false,
  })
  assert.deepEqual(schema, before)
})

const chunk = (parts: object[], more: object = {}, top: object = {}) => ({
  candidates: [{ content: { role: "model", parts }, ...more }],
  ...top,
})

function decode(chunks: object[]) {
  const decoder = new GeminiDecoder(request(), "gemini")
  const out: ModelEvent[] = []
  for (const one of chunks) decoder.push(JSON.stringify(one), out)
  const done = decoder.end()
  assert.equal(done.type, "done")
  return { out, done: done as Extract<ModelEvent, { type: "done" }> }
}
function failureOfStream(chunks: (object | string)[]) {
  const decoder = new GeminiDecoder(request(), "gemini")
  try {
    for (const one of chunks) decoder.push(typeof one === "string" ? one : JSON.stringify(one), [])
    decoder.end()
  } catch (error) {
    assert.ok(error instanceof FailureError)
    return { ...error.failure, received: decoder.received() }
  }
  return assert.fail("the stream was taken as whole")
}

test("a whole answer: thoughts, text, signatures, calls with and without ids, tokens", () => {
  const { out, done } = decode([
    chunk([
      { text: "Hm", thought: true },
      { text: "m", thought: true },
    ]),
    chunk([{ text: "Let me " }]),
    chunk([{ text: "look." }], {}, { modelVersion: "gemini-x" }),
    chunk([{ text: "", thoughtSignature: "sig-text" }]),
    chunk([
      { functionCall: { id: "f1", name: "read", args: { path: "a" } }, thoughtSignature: "sig-call" },
      { functionCall: { name: "list" } },
    ]),
    chunk(
      [],
      { finishReason: "STOP" },
      {
        usageMetadata: {
          promptTokenCount: 100,
          cachedContentTokenCount: 40,
          candidatesTokenCount: 10,
          thoughtsTokenCount: 5,
        },
      },
    ),
  ])
  const [second] = done.content.slice(-1)
  assert.ok(second?.type === "tool.call" && second.callId.startsWith("call_"))
  assert.deepEqual(done.content.slice(0, -1), [
    { type: "thinking", text: "Hmm" },
    { type: "text", text: "Let me look." },
    { type: "thinking", text: "", opaque: "sig-text", provider: "gemini" },
    { type: "tool.call", callId: "f1", name: "read", args: { path: "a" }, opaque: "sig-call" },
  ])
  assert.deepEqual([second.name, second.args], ["list", {}])
  assert.equal(done.stop, "tool_calls")
  assert.equal(done.model, "gemini-x")
  assert.deepEqual(done.usage, {
    inputTokens: 100,
    outputTokens: 15,
    cacheReadTokens: 40,
    cacheWriteTokens: 0,
    reasoningTokens: 5,
    costUsd: null,
  })
  assert.deepEqual(
    out.map((event) => event.type),
    ["thinking.delta", "thinking.delta", "text.delta", "text.delta", "tool.started", "tool.started"],
  )
})

test("finish reasons: whole, cut, filtered; a cut answer hands no call on", () => {
  const parts = [{ text: "x" }, { functionCall: { name: "read", args: {} } }]
  assert.equal(decode([chunk([{ text: "x" }], { finishReason: "STOP" })]).done.stop, "stop")
  for (const [reason, stop] of [
    ["MAX_TOKENS", "length"],
    ["SAFETY", "content_filter"],
    ["RECITATION", "content_filter"],
  ] as const) {
    const { done } = decode([chunk(parts, { finishReason: reason })])
    assert.equal(done.stop, stop)
    assert.deepEqual(done.content, [{ type: "text", text: "x" }])
  }
})

test("without a finish reason, blocked, malformed or broken it is a failure that keeps the text", () => {
  const text = chunk([{ text: "so far" }])
  const received = [{ type: "text", text: "so far" }]
  const missing = failureOfStream([text])
  assert.deepEqual([missing.kind, missing.received], ["truncated", received])
  const blocked = failureOfStream([{ promptFeedback: { blockReason: "SAFETY" } }])
  assert.deepEqual([blocked.kind, blocked.retryable], ["refusal", false])
  const malformed = failureOfStream([
    text,
    chunk([], { finishReason: "MALFORMED_FUNCTION_CALL", finishMessage: "print(read" }),
    chunk([], { finishReason: "STOP" }),
  ])
  assert.deepEqual([malformed.kind, malformed.retryable], ["server", true])
  assert.match(malformed.message, /MALFORMED_FUNCTION_CALL: print\(read/)
  const broken = failureOfStream([text, '{"candidates": ['])
  assert.deepEqual([broken.kind, broken.received], ["format", received])
  const overloaded = failureOfStream([
    text,
    { error: { code: 503, message: "The model is overloaded.", status: "UNAVAILABLE" } },
  ])
  assert.equal(overloaded.kind, "overloaded")
})

function settings(url: string): ProviderSettings {
  const base = { headers: {}, models: [], connectTimeoutMs: 2_000, stallMs: 2_000, quirks: {} }
  return { id: "gemini", wire: "gemini", baseUrl: `${url}/v1beta`, apiKey: () => "AIza", ...base }
}

test("over HTTP: the key in its header and never in the address; models are listed; odd names are refused", async () => {
  const fake = await startFakeModel()
  try {
    const provider = gemini(settings(fake.url))
    const all = async (model: string) => {
      const events: ModelEvent[] = []
      for await (const event of provider.stream(request({ model }), never)) events.push(event)
      return events
    }
    fake.script({ thinking: "Hm", text: "Hello", calls: [{ id: "f", name: "read", args: { path: "a" } }] })
    const done = (await all("gemini-x")).at(-1)
    assert.deepEqual(done?.type === "done" && done.content.map((part) => part.type), ["thinking", "text", "tool.call"])
    const [asked] = fake.requests
    assert.equal(asked?.path, "/v1beta/models/gemini-x:streamGenerateContent?alt=sse")
    assert.equal(asked?.headers["x-goog-api-key"], "AIza")
    const badKey =
      '{"error":{"code":400,"message":"API key not valid. Please pass a valid API key.","status":"INVALID_ARGUMENT"}}'
    fake.script({ fail: { type: "status", status: 400, body: badKey } })
    const [refused] = await all("gemini-x")
    assert.equal(refused?.type === "failed" && refused.failure.kind, "auth")
    for (const model of ["../../x", "a/b/c", "x?key=1", "models/..", ""]) {
      const [failed] = await all(model)
      assert.equal(failed?.type === "failed" && failed.failure.kind, "not_found", model)
    }
    assert.equal(fake.requests.length, 2)
    assert.deepEqual(await provider.listModels(never), [
      { id: "test-model", provider: "gemini", name: "Test", contextWindow: 1000 },
    ])
  } finally {
    await fake.close()
  }
})
