import assert from "node:assert/strict"
import { test } from "node:test"
import { requestOf } from "../../../test/fakes/provider-room.ts"
import { callsOf, type Message, type Part } from "../../protocol/message.ts"
import { FailureError } from "../failure.ts"
import type { ModelEvent, ModelRequest } from "../provider.ts"
import { ResponsesDecoder } from "./decode.ts"
import { encodeResponses } from "./encode.ts"

type Wire = Record<string, unknown>

const completed = { type: "response.completed", response: { status: "completed", model: "m-1" } }

function decode(events: Wire[], end: Wire | null = completed) {
  const decoder = new ResponsesDecoder(requestOf(), "fake")
  const out: ModelEvent[] = []
  for (const event of events) decoder.push(JSON.stringify(event), out)
  assert.equal(decoder.isOver, false)
  if (end) decoder.push(JSON.stringify(end), out)
  const done = decoder.end()
  assert.ok(done.type === "done")
  return { out, done, calls: callsOf(done.content), decoder }
}

const failureOf = (run: () => unknown) => {
  try {
    run()
  } catch (error) {
    if (error instanceof FailureError) return error.failure
    throw error
  }
  throw new TypeError("It did not fail")
}

const delta = (text: string, index = 0) => ({
  type: "response.output_text.delta",
  output_index: index,
  item_id: "i",
  delta: text,
})
const added = (index: number, item: Wire) => ({ type: "response.output_item.added", output_index: index, item })
const finished = (index: number, item: Wire) => ({ type: "response.output_item.done", output_index: index, item })
const call = (id: string, name: string, args: string) => ({
  type: "function_call",
  id: `fc_${id}`,
  call_id: id,
  name,
  arguments: args,
})

test("a whole answer: reasoning with its sealed form, text, calls, tokens", () => {
  const reasoning = { type: "reasoning", id: "rs", summary: [], encrypted_content: "sealed" }
  const think = (text: string) => ({ type: "response.reasoning_summary_text.delta", output_index: 0, delta: text })
  const part = { type: "response.reasoning_summary_part.added", output_index: 0 }
  const { done, out } = decode(
    [
      { type: "response.created", response: {} },
      added(0, { ...reasoning, encrypted_content: "" }),
      part,
      think("first"),
      part,
      think("second"),
      finished(0, reasoning),
      added(1, { type: "message", content: [] }),
      delta("Hi ", 1),
      delta("you", 1),
      finished(1, { type: "message", content: [{ type: "output_text", text: "Hi you" }] }),
      added(2, call("c1", "f", "")),
      { type: "response.function_call_arguments.delta", output_index: 2, delta: '{"a"' },
      { type: "response.function_call_arguments.done", output_index: 2, arguments: '{"a":1}' },
      finished(2, call("c1", "f", '{"a":1}')),
    ],
    {
      type: "response.completed",
      response: {
        model: "m-1",
        usage: {
          input_tokens: 10,
          output_tokens: 5,
          input_tokens_details: { cached_tokens: 4 },
          output_tokens_details: { reasoning_tokens: 2 },
        },
      },
    },
  )
  assert.deepEqual(done, {
    type: "done",
    stop: "tool_calls",
    content: [
      { type: "thinking", text: "first\n\nsecond", opaque: "sealed", provider: "fake" },
      { type: "text", text: "Hi you" },
      { type: "tool.call", callId: "c1", name: "f", args: { a: 1 } },
    ],
    usage: {
      inputTokens: 10,
      outputTokens: 5,
      cacheReadTokens: 4,
      cacheWriteTokens: 0,
      reasoningTokens: 2,
      costUsd: null,
    },
    model: "m-1",
  })
  assert.deepEqual(
    out.map((event) => event.type),
    ["thinking.delta", "thinking.delta", "thinking.delta", "text.delta", "text.delta", "tool.started"],
  )
})

test("sealed reasoning without words is kept, and two of them stay two", () => {
  const sealed = (id: string) => ({ type: "reasoning", id, summary: [], encrypted_content: id })
  const { done } = decode([finished(0, sealed("a")), finished(1, sealed("b")), delta("x", 2)])
  assert.deepEqual(done.content, [
    { type: "thinking", text: "", opaque: "a", provider: "fake" },
    { type: "thinking", text: "", opaque: "b", provider: "fake" },
    { type: "text", text: "x" },
  ])
})

test("items that come whole, without deltas or without being announced, count", () => {
  const { done, out, calls } = decode([
    finished(0, { type: "reasoning", id: "r", summary: [{ type: "summary_text", text: "hm" }] }),
    finished(1, { type: "message", content: [{ type: "output_text", text: "Hi" }] }),
    finished(2, call("c", "f", "{}")),
  ])
  assert.deepEqual(done.content.slice(0, 2), [
    { type: "thinking", text: "hm" },
    { type: "text", text: "Hi" },
  ])
  assert.deepEqual(calls[0]?.args, {})
  assert.equal(out.length, 3)
})

test("calls are told apart by their place, by their id where there is none; ids that go on are unique", () => {
  const place = [added(0, call("same", "f", "")), added(1, call("same", "g", ""))]
  const ends = [finished(1, call("same", "g", '{"n":2}')), finished(0, call("same", "f", '{"n":1}'))]
  const { calls } = decode([...place, ...ends])
  assert.deepEqual(
    calls.map(({ name, args }) => [name, args]),
    [
      ["f", { n: 1 }],
      ["g", { n: 2 }],
    ],
  )
  assert.equal(new Set(calls.map((one) => one.callId)).size, 2)
  const noPlace = ["a", "b"].map((id) => ({ type: "response.output_item.done", item: call(id, "f", "{}") }))
  assert.equal(decode(noPlace).calls.length, 2)
})

test("a call that was never finished makes the answer a broken one", () => {
  const half = [delta("x"), added(1, call("c", "f", ""))]
  assert.equal(failureOf(() => decode(half)).kind, "truncated")
  const argumentsOnly = { type: "response.function_call_arguments.done", output_index: 1, arguments: '{"a":1}' }
  assert.deepEqual(decode([...half, argumentsOnly]).calls[0]?.args, { a: 1 })
})

test("an incomplete response hands on no call", () => {
  const incomplete = (reason: string) => ({
    type: "response.incomplete",
    response: { incomplete_details: { reason }, usage: { input_tokens: 1, output_tokens: 2 } },
  })
  const events = [delta("Half"), added(1, call("c", "f", "")), finished(1, call("c", "f", '{"path":"/srv/da"}'))]
  const cut = decode(events, incomplete("max_output_tokens")).done
  assert.equal(cut.stop, "length")
  assert.deepEqual(cut.content, [{ type: "text", text: "Half" }])
  assert.equal(cut.usage.outputTokens, 2)
  assert.equal(decode(events, incomplete("content_filter")).done.stop, "content_filter")
})

test("a refusal is told apart from an answer", () => {
  const { done } = decode([{ type: "response.refusal.delta", output_index: 0, delta: "I can't" }])
  assert.equal(done.stop, "refusal")
  assert.deepEqual(done.content, [{ type: "text", text: "I can't" }])
  const whole = decode([finished(0, { type: "message", content: [{ type: "refusal", refusal: "No" }] })]).done
  assert.equal(whole.stop, "refusal")
})

test("failed responses and error events say what kind of failure they are; without an end it is truncated", () => {
  const failed = (error: Wire) => () => decode([{ type: "response.failed", response: { status: "failed", error } }])
  assert.equal(failureOf(failed({ code: "rate_limit_exceeded", message: "Slow" })).kind, "rate_limit")
  assert.equal(failureOf(failed({ code: "server_error", message: "Oops" })).kind, "server")
  assert.equal(failureOf(failed({ code: "context_length_exceeded", message: "Too long" })).kind, "context_length")
  const flat = failureOf(() => decode([{ type: "error", code: "invalid_prompt", message: "No" }]))
  assert.equal(flat.kind, "invalid_request")
  const nested = {
    type: "error",
    error: { type: "invalid_request_error", code: "model_not_found", message: "No such" },
  }
  assert.equal(failureOf(() => decode([nested])).kind, "not_found")
  assert.equal(failureOf(() => decode([delta("x")], null)).kind, "truncated")
})

const message = (role: Message["role"], content: Part[]): Message => ({ id: "m", role, content, at: 0 })
const say = (text: string): Part => ({ type: "text", text })
const encode = (more: Partial<ModelRequest> = {}) => encodeResponses(requestOf({ model: "gpt-5.4", ...more }), "fake")

test("nothing is stored at the service; reasoning comes sealed", () => {
  assert.deepEqual(encode({ cacheKey: "s", system: "Be brief." }), {
    model: "gpt-5.4",
    input: [{ role: "user", content: [{ type: "input_text", text: "Hello" }] }],
    stream: true,
    store: false,
    include: ["reasoning.encrypted_content"],
    instructions: "Be brief.",
    prompt_cache_key: "s",
  })
})

test("models that do not reason are not asked for sealed reasoning, which they would refuse", () => {
  for (const model of ["gpt-4o", "gpt-4.1-mini", "gpt-4-turbo", "gpt-3.5-turbo", "chatgpt-4o-latest", "ft:gpt-4o:acme"])
    assert.equal("include" in encode({ model }), false, model)
  for (const model of ["o3", "o4-mini", "gpt-5", "gpt-5.4-mini", "codex-mini"])
    assert.equal("include" in encode({ model }), true, model)
})

test("sampling, tools and formats in the wire's words", () => {
  const body = encode({
    tools: [{ name: "f", description: "F", inputSchema: { type: "object" } }],
    sampling: {
      temperature: 0,
      topP: 0.5,
      maxOutputTokens: 9,
      thinking: "high",
      toolChoice: { name: "f" },
      parallelToolCalls: false,
      responseFormat: { type: "json_schema", name: "n", schema: {}, strict: true },
    },
  })
  const { model, input, stream, store, include, ...rest } = body
  assert.deepEqual(rest, {
    temperature: 0,
    top_p: 0.5,
    max_output_tokens: 9,
    reasoning: { effort: "high", summary: "auto" },
    tools: [{ type: "function", name: "f", description: "F", parameters: { type: "object" }, strict: false }],
    tool_choice: { type: "function", name: "f" },
    parallel_tool_calls: false,
    text: { format: { type: "json_schema", name: "n", schema: {}, strict: true } },
  })
})

test("a conversation in items: sealed reasoning to its own service only, images and files, results", () => {
  const thought = (provider: string, opaque?: string, text = "hm"): Part => ({
    type: "thinking",
    text,
    provider,
    ...(opaque === undefined ? {} : { opaque }),
  })
  const png = { type: "image", mimeType: "image/png", data: "AAAA" } as const
  const input = encode({
    messages: [
      message("user", [say("Look"), png, { type: "file", mimeType: "application/pdf", name: "a.pdf", data: "BBBB" }]),
      message("assistant", [
        thought("fake", "sealed"),
        thought("fake", "silent", ""),
        thought("other", "not ours"),
        thought("fake"),
        say("Well"),
        { type: "tool.call", callId: "1", name: "f", args: { a: 1 } },
        { type: "tool.call", callId: "2", name: "f", raw: "{broken" },
      ]),
      message("tool", [
        { type: "tool.result", callId: "1", name: "f", content: [{ type: "text", text: "one" }, png], isError: false },
        { type: "tool.result", callId: "2", name: "f", content: [{ type: "text", text: "two" }], isError: true },
      ]),
    ],
  })["input"]
  const image = { type: "input_image", image_url: "data:image/png;base64,AAAA" }
  assert.deepEqual(input, [
    {
      role: "user",
      content: [
        { type: "input_text", text: "Look" },
        image,
        { type: "input_file", filename: "a.pdf", file_data: "data:application/pdf;base64,BBBB" },
      ],
    },
    { type: "reasoning", summary: [{ type: "summary_text", text: "hm" }], encrypted_content: "sealed" },
    { type: "reasoning", summary: [], encrypted_content: "silent" },
    { role: "assistant", content: [{ type: "output_text", text: "Well" }] },
    { type: "function_call", call_id: "1", name: "f", arguments: '{"a":1}' },
    { type: "function_call", call_id: "2", name: "f", arguments: "{}" },
    { type: "function_call_output", call_id: "1", output: [{ type: "input_text", text: "one" }, image] },
    { type: "function_call_output", call_id: "2", output: "two" },
  ])
})
