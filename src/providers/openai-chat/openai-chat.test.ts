import assert from "node:assert/strict"
import { type TestContext, test } from "node:test"
import { type FakeReply, startFakeModel } from "../../../test/fakes/model-service.ts"
import { KEY, requestOf, settingsFor } from "../../../test/fakes/provider-room.ts"
import { PincerError } from "../../base/errors.ts"
import { callsOf, type Message, type Part } from "../../protocol/message.ts"
import { FailureError } from "../failure.ts"
import type { ModelEvent, ModelRequest } from "../provider.ts"
import type { ProviderSettings, Quirks } from "../settings.ts"
import { ChatDecoder } from "./decode.ts"
import { encodeChat } from "./encode.ts"
import { openaiChat } from "./index.ts"

type Wire = Record<string, unknown>
const never = new AbortController().signal

/** What the decoder makes of these chunks: a choice's delta each, or a whole chunk when it has `choices`. */
function decode(chunks: Wire[], finish: string | null = "stop", quirks: Quirks = {}) {
  const decoder = new ChatDecoder(requestOf(), { id: "fake", quirks })
  const events: ModelEvent[] = []
  for (const chunk of chunks)
    decoder.push(
      JSON.stringify("choices" in chunk || "error" in chunk ? chunk : { choices: [{ delta: chunk }] }),
      events,
    )
  if (finish !== null) decoder.push(JSON.stringify({ choices: [{ delta: {}, finish_reason: finish }] }), events)
  const done = decoder.end()
  assert.ok(done.type === "done")
  return { events, done, calls: callsOf(done.content) }
}

const piece = (more: Wire, name?: string, args?: unknown): Wire => ({
  tool_calls: [{ ...more, function: { ...(name === undefined ? {} : { name }), arguments: args } }],
})
const argsOf = (calls: ReturnType<typeof callsOf>) => calls.map(({ name, args }) => [name, args])
const kindOf = (run: () => unknown) => {
  try {
    run()
  } catch (error) {
    if (error instanceof FailureError) return error.failure.kind
    throw error
  }
  return "none"
}

test("calls are put together by index, interleaved as they may be", () => {
  const { calls, done, events } = decode([
    piece({ index: 0, id: "a", type: "function" }, "read", ""),
    piece({ index: 1, id: "b", type: "function" }, "ls", ""),
    piece({ index: 0 }, undefined, '{"path":'),
    piece({ index: 1 }, undefined, "{}"),
    piece({ index: 0 }, undefined, '"x"}'),
  ])
  assert.deepEqual(argsOf(calls), [
    ["read", { path: "x" }],
    ["ls", {}],
  ])
  assert.deepEqual(
    calls.map((call) => call.callId),
    ["a", "b"],
  )
  assert.equal(done.stop, "tool_calls", "although the service said stop")
  assert.equal(events.filter((event) => event.type === "tool.started").length, 2)
})

test("whole calls in one chunk each: without index, without id, or all with number 0", () => {
  const a = '{"n":1}'
  const b = '{"n":2}'
  const shapes: Wire[][] = [
    [piece({ id: "x" }, "f", a), piece({ id: "y" }, "f", b)],
    [piece({}, "f", a), piece({}, "f", b)],
    [piece({ index: 0 }, "f", a), piece({ index: 0 }, "f", b)],
    [piece({ index: 0, id: "x" }, "f", a), piece({ index: 0, id: "y" }, "f", b)],
    [piece({ index: 0, id: "same" }, "f", a), piece({ index: 1, id: "same" }, "f", b)],
    [piece({ id: "same" }, "f", { n: 1 }), piece({ id: "same" }, "g", { n: 2 })],
    [{ tool_calls: [...(piece({}, "f", a)["tool_calls"] as []), ...(piece({}, "f", b)["tool_calls"] as [])] }],
  ]
  for (const [i, shape] of shapes.entries()) {
    const { calls } = decode(shape)
    assert.deepEqual(
      calls.map((call) => call.args),
      [{ n: 1 }, { n: 2 }],
      `shape ${i}`,
    )
    assert.equal(new Set(calls.map((call) => call.callId)).size, 2, `shape ${i}`)
    assert.ok(calls.every((call) => call.callId !== ""))
  }
})

test("pieces of one call without index or id, with the name once, every time, or late", () => {
  const shapes: Wire[][] = [
    [piece({}, "f", '{"n"'), piece({}, undefined, ":1}")],
    [piece({}, "f", '{"n"'), piece({}, "f", ":1}")],
    [piece({ index: 0 }, "f", '{"n"'), piece({ index: 0 }, "f", ":1}")],
    [piece({ index: 0, id: "x" }, "", '{"n"'), piece({ index: 0 }, "f", ":1}")],
    [piece({ index: 0 }, "f", '{"n"'), piece({ index: 0, id: "late" }, undefined, ":1}")],
    [piece({ index: 0, id: "x" }, "f", '{"n":1}'), piece({ index: 0, id: "x" }, "f", ""), piece({ index: 0 }, "", "")],
  ]
  for (const [i, shape] of shapes.entries()) {
    const { calls, events } = decode(shape)
    assert.deepEqual(argsOf(calls), [["f", { n: 1 }]], `shape ${i}`)
    assert.deepEqual(
      events.filter((event) => event.type === "tool.started"),
      [{ type: "tool.started", callId: calls[0]?.callId, name: "f" }],
    )
  }
})

test("the second call's pieces go to the second call when all are number 0", () => {
  const { calls } = decode([
    piece({ index: 0, id: "x" }, "f", '{"n":1}'),
    piece({ index: 0, id: "y" }, "f", '{"n"'),
    piece({ index: 0 }, undefined, ":2}"),
  ])
  assert.deepEqual(
    calls.map((call) => call.args),
    [{ n: 1 }, { n: 2 }],
  )
})

test("no arguments are no arguments; anything but an object is kept as it came", () => {
  assert.deepEqual(argsOf(decode([piece({ index: 0, id: "a" }, "f", "")]).calls), [["f", {}]])
  for (const raw of ['{"path":"/srv/da', "null", '"text"', "[]", "{} {}", '{"a":'.repeat(100)]) {
    const [call] = decode([piece({ index: 0, id: "a" }, "f", raw)]).calls
    assert.equal(call?.args, undefined)
    assert.equal(call?.raw, raw)
  }
  const [call] = decode([piece({ index: 0, id: "a" }, "f", '{"__proto__":{"x":1},"y":2}')]).calls
  assert.deepEqual(Object.keys(call?.args ?? {}), ["y"])
})

test("reasoning is read from the field that a service uses, once, and marked with it", () => {
  const thought = { type: "thinking", text: "hm", provider: "fake" } as const
  for (const field of ["reasoning_content", "reasoning"])
    assert.deepEqual(decode([{ [field]: "hm" }, { content: "Hi" }]).done.content, [
      { ...thought, opaque: field },
      { type: "text", text: "Hi" },
    ])
  const own = decode([{ thoughts: "hm", content: "Hi" }], "stop", { reasoningField: "thoughts" })
  assert.deepEqual(own.done.content[0], { ...thought, opaque: "thoughts" })
  const both = decode([{ reasoning_content: "hm", reasoning: "hm" }])
  assert.deepEqual(
    both.events.filter((event) => event.type === "thinking.delta").map((event) => event.text),
    ["hm"],
  )
})

test("content in typed pieces: thoughts and text", () => {
  const thinking = { type: "thinking", thinking: [{ type: "text", text: "hm" }] }
  const { done } = decode([{ content: [thinking, { type: "text", text: "Hi" }] }, { content: " you" }])
  assert.deepEqual(done.content, [
    { type: "thinking", text: "hm" },
    { type: "text", text: "Hi you" },
  ])
})

test("finish reasons, those of compatible services included", () => {
  const stopOf = (finish: string) => decode([{ content: "x" }], finish).done.stop
  assert.equal(stopOf("stop"), "stop")
  assert.equal(stopOf("eos"), "stop")
  assert.equal(stopOf("length"), "length")
  assert.equal(stopOf("model_length"), "length")
  assert.equal(stopOf("content_filter"), "content_filter")
  assert.equal(decode([{ refusal: "I can't" }]).done.stop, "refusal")
  assert.deepEqual(decode([{ refusal: "I can't" }]).done.content, [{ type: "text", text: "I can't" }])
  assert.equal(
    kindOf(() => stopOf("insufficient_system_resource")),
    "overloaded",
  )
  assert.equal(
    kindOf(() => stopOf("error")),
    "server",
  )
  assert.equal(
    kindOf(() => decode([{ content: "x" }], null)),
    "truncated",
  )
})

test("[DONE] without a finish reason is not an end", () => {
  const decoder = new ChatDecoder(requestOf(), { id: "fake", quirks: {} })
  decoder.push('{"choices":[{"delta":{"content":"Half an"}}]}', [])
  assert.equal(decoder.isOver, false)
  decoder.push("[DONE]", [])
  assert.equal(decoder.isOver, true)
  assert.equal(
    kindOf(() => decoder.end()),
    "truncated",
  )
  assert.deepEqual(decoder.received(), [{ type: "text", text: "Half an" }])
})

test("usage in any chunk and under several names", () => {
  const counted = (chunk: Wire) => decode([{ content: "x" }, chunk]).done.usage
  const base = { prompt_tokens: 10, completion_tokens: 4 }
  const usage = counted({
    choices: [],
    usage: {
      ...base,
      prompt_tokens_details: { cached_tokens: 6 },
      completion_tokens_details: { reasoning_tokens: 3 },
    },
  })
  assert.deepEqual(usage, {
    inputTokens: 10,
    outputTokens: 4,
    cacheReadTokens: 6,
    cacheWriteTokens: 0,
    reasoningTokens: 3,
    costUsd: null,
  })
  assert.equal(counted({ choices: [], usage: { ...base, prompt_cache_hit_tokens: 5 } }).cacheReadTokens, 5)
  assert.equal(counted({ choices: [{ delta: {}, usage: { ...base, cached_tokens: 2 } }] }).cacheReadTokens, 2)
  assert.equal(counted({ choices: [], usage: null }).estimated, true)
})

test("an error in the stream, and lines that are no chunk", () => {
  assert.equal(
    kindOf(() => decode([{ error: { code: 503, message: "Busy" } }])),
    "overloaded",
  )
  const decoder = new ChatDecoder(requestOf(), { id: "fake", quirks: {} })
  for (const line of ["", "null", "[1]", "{", "<html>"])
    assert.equal(
      kindOf(() => decoder.push(line, [])),
      "format",
    )
  decoder.push("{}", [])
  decoder.push('{"choices":[null]}', [])
  decoder.push('{"choices":[{"delta":{"content":5,"tool_calls":[null,{"function":7}]}}]}', [])
  assert.deepEqual(decoder.received(), [])
})

const message = (role: Message["role"], content: Part[]): Message => ({ id: "m", role, content, at: 0 })
const say = (text: string): Part => ({ type: "text", text })
const service = (more: Partial<ProviderSettings> = {}) => settingsFor("openai-chat", "http://127.0.0.1:1", more)
const encode = (more: Partial<ModelRequest>, settings = service()) => encodeChat(requestOf(more), settings)
const messagesOf = (messages: Message[], more: Partial<ModelRequest> = {}) =>
  encode({ messages, ...more })["messages"] as Wire[]
const PNG = { type: "image", mimeType: "image/png", data: "AAAA" } as const
const png = { type: "image_url", image_url: { url: "data:image/png;base64,AAAA" } }

test("a request has only what was asked for", () => {
  assert.deepEqual(encode({ cacheKey: "s" }), {
    model: "test-model",
    messages: [{ role: "user", content: "Hello" }],
    stream: true,
    stream_options: { include_usage: true },
  })
})

test("sampling, tools and formats in the wire's words", () => {
  const body = encode({
    system: "Be brief.",
    tools: [{ name: "f", description: "F", inputSchema: { type: "object" }, strict: true }],
    sampling: {
      temperature: 0,
      topP: 0.5,
      maxOutputTokens: 9,
      stop: ["x"],
      seed: 0,
      presencePenalty: 1,
      frequencyPenalty: -1,
      thinking: "low",
      toolChoice: { name: "f" },
      parallelToolCalls: false,
      responseFormat: { type: "json_schema", name: "n", schema: {}, strict: true },
    },
  })
  const { messages, stream, stream_options, model, ...rest } = body
  assert.deepEqual((messages as Wire[])[0], { role: "system", content: "Be brief." })
  assert.deepEqual(rest, {
    tools: [
      { type: "function", function: { name: "f", description: "F", parameters: { type: "object" }, strict: true } },
    ],
    temperature: 0,
    top_p: 0.5,
    max_tokens: 9,
    stop: ["x"],
    seed: 0,
    presence_penalty: 1,
    frequency_penalty: -1,
    reasoning_effort: "low",
    tool_choice: { type: "function", function: { name: "f" } },
    parallel_tool_calls: false,
    response_format: { type: "json_schema", json_schema: { name: "n", schema: {}, strict: true } },
  })
  assert.equal("tool_choice" in encode({ sampling: { toolChoice: "auto" } }), false, "without tools")
})

test("OpenAI's own fields go to OpenAI only, and quirks come first", () => {
  const asked = { cacheKey: "s", sampling: { maxOutputTokens: 9 } }
  const own = encode(asked, service({ baseUrl: "https://api.openai.com/v1" }))
  assert.equal(own["prompt_cache_key"], "s")
  assert.equal(own["max_completion_tokens"], 9)
  assert.equal("max_tokens" in own, false)
  const odd = encode(asked, service({ quirks: { maxTokensField: "max_completion_tokens", noStreamUsage: true } }))
  assert.equal(odd["max_completion_tokens"], 9)
  assert.equal("stream_options" in odd, false)
})

test("images and files of a user; images of tools after the last result of the round", () => {
  const result = (callId: string, content: Part[]) =>
    message("tool", [{ type: "tool.result", callId, name: "f", content: content as never, isError: false }])
  const file = { type: "file", mimeType: "application/pdf", name: "a.pdf", data: "BBBB" } as const
  assert.deepEqual(
    messagesOf([
      message("user", [say("Look"), PNG, file]),
      message("assistant", [
        { type: "tool.call", callId: "1", name: "f", args: { a: 1 } },
        { type: "tool.call", callId: "2", name: "f", raw: "{broken" },
      ]),
      result("1", [say("one"), PNG]),
      result("2", [say("two")]),
      message("user", [say("a"), say("b")]),
    ]),
    [
      {
        role: "user",
        content: [
          { type: "text", text: "Look" },
          png,
          { type: "file", file: { filename: "a.pdf", file_data: "data:application/pdf;base64,BBBB" } },
        ],
      },
      {
        role: "assistant",
        content: null,
        tool_calls: [
          { id: "1", type: "function", function: { name: "f", arguments: '{"a":1}' } },
          { id: "2", type: "function", function: { name: "f", arguments: "{}" } },
        ],
      },
      { role: "tool", tool_call_id: "1", content: "one\n[image: see below]" },
      { role: "tool", tool_call_id: "2", content: "two" },
      { role: "user", content: [png] },
      { role: "user", content: "a\nb" },
    ],
  )
})

test("reasoning goes back to its own service only, in the field it came in", () => {
  const thought = (provider: string, opaque?: string): Part => ({
    type: "thinking",
    text: "hm",
    provider,
    ...(opaque === undefined ? {} : { opaque }),
  })
  const [back] = messagesOf([message("assistant", [thought("fake", "reasoning_content"), say("Hi")])])
  assert.deepEqual(back, { role: "assistant", content: "Hi", reasoning_content: "hm" })
  for (const part of [
    thought("other", "reasoning_content"),
    thought("fake", "signature-of-another-wire"),
    thought("fake"),
  ])
    assert.deepEqual(messagesOf([message("assistant", [part, say("Hi")])]), [{ role: "assistant", content: "Hi" }])
  assert.deepEqual(
    messagesOf([message("assistant", [thought("fake", "reasoning")])]),
    [],
    "thoughts alone are no message",
  )
})

test("DeepSeek's own models get the field even where there was no reasoning", () => {
  const messages = [message("assistant", [say("Hi")])]
  assert.deepEqual(messagesOf(messages, { model: "deepseek-v4-flash" })[0]?.["reasoning_content"], "")
  assert.equal("reasoning_content" in messagesOf(messages)[0]!, false)
})

async function relayRoom(t: TestContext, more: Partial<ProviderSettings> = {}) {
  const fake = await startFakeModel()
  t.after(() => fake.close())
  const relay = openaiChat(settingsFor("openai-chat", fake.url, more)).relay!
  return { fake, relay: (body: Wire, signal = never) => relay({ model: "m", ...body }, signal) }
}

test("relay() hands the answer back byte for byte, errors and their statuses included", async (t) => {
  const { fake, relay } = await relayRoom(t)
  const direct = await fetch(`${fake.url}/v1/chat/completions`, { method: "POST", body: '{"model":"m"}' })
  const relayed = await relay({ unknown_field: [1] })
  assert.equal(await relayed.text(), await direct.text())
  assert.equal(relayed.headers.get("content-type"), "text/event-stream")
  assert.deepEqual(fake.requests.at(-1)?.body, { model: "m", unknown_field: [1] })
  assert.equal(fake.requests.at(-1)?.headers.authorization, `Bearer ${KEY}`)
  fake.script({ fail: { type: "status", status: 429, body: "{ }", headers: { "retry-after": "3" } } })
  const refused = await relay({})
  assert.deepEqual([refused.status, refused.headers.get("retry-after"), await refused.text()], [429, "3", "{ }"])
  fake.script({ fail: { type: "status", status: 204, body: "" } })
  assert.equal((await relay({})).status, 204)
})

test("relay() breaks off what is silent, cut or given up", async (t) => {
  const { fake, relay } = await relayRoom(t, { connectTimeoutMs: 2_000, stallMs: 30 })
  const stall: FakeReply = { text: "Hello there", fail: { type: "stall", after: "first" } }
  fake.script(stall, { text: "Hello", fail: { type: "cut" } }, stall)
  await assert.rejects(
    relay({ stream: true }).then((answer) => answer.text()),
    { message: /silent for 30 ms/ },
  )
  await fake.requests[0]?.closed
  await assert.rejects(relay({ stream: true }).then((answer) => answer.text()))
  const controller = new AbortController()
  const given = await relay({ stream: true }, controller.signal)
  controller.abort()
  await assert.rejects(given.text())
  await fake.requests[2]?.closed
})

test("relay() throws when nobody answers; an answer in one piece may take as long as a stream may be silent", async (t) => {
  const { fake, relay } = await relayRoom(t, { connectTimeoutMs: 20, stallMs: 60_000 })
  const gate = Promise.withResolvers<void>()
  fake.script({ fail: { type: "stall", after: "nothing" } })
  await assert.rejects(relay({ stream: true }), (error) => error instanceof PincerError && error.code === "TIMEOUT")
  const controller = new AbortController()
  fake.script(() => {
    gate.resolve()
    return { fail: { type: "stall", after: "nothing" } }
  })
  const whole = relay({}, controller.signal)
  await gate.promise
  await new Promise((resolve) => setTimeout(resolve, 60))
  controller.abort()
  await assert.rejects(whole, (error) => error instanceof PincerError && error.code === "ABORTED")
})

test("embed() gives one vector for each text, in order, or refuses", async (t) => {
  const fake = await startFakeModel()
  t.after(() => fake.close())
  const provider = openaiChat(settingsFor("openai-chat", fake.url))
  const result = await provider.embed!({ model: "e", input: ["abc", "x"], dimensions: 3 }, never)
  assert.deepEqual(result, {
    vectors: [
      [3, 0.5, -1],
      [1, 0.5, -1],
    ],
    inputTokens: 2,
  })
  assert.deepEqual(fake.requests[0]?.body, { model: "e", input: ["abc", "x"], encoding_format: "float", dimensions: 3 })
  const answers = (body: string): FakeReply => ({ fail: { type: "status", status: 200, body } })
  fake.script(answers('{"data":[{"index":1,"embedding":[2]},{"index":0,"embedding":[1]}]}'))
  assert.deepEqual((await provider.embed!({ model: "e", input: ["a", "b"] }, never)).vectors, [[1], [2]])
  fake.script(answers('{"data":[{"embedding":[1]}]}'))
  await assert.rejects(provider.embed!({ model: "e", input: ["a", "b"] }, never), { message: /1 vectors for 2 texts/ })
})
