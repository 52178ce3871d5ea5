// Requests in OpenAI's words as conversations of the engine, and schemas as its grammars.
import assert from "node:assert/strict"
import { test } from "node:test"
import { readAsk } from "./chat.ts"
import { grammarOf, paramsOf, withoutNulls } from "./grammar.ts"

const call = (id: string, name: string, args: string) => ({ id, type: "function", function: { name, arguments: args } })

test("a conversation keeps its order; what the model said and called in a row is one turn of it, and it ends with the model's", () => {
  const { history } = readAsk({
    messages: [
      { role: "system", content: "Be short" },
      {
        role: "user",
        content: [
          { type: "text", text: "看" },
          { type: "image_url", image_url: {} },
        ],
      },
      {
        role: "assistant",
        content: "Looking",
        tool_calls: [call("1", "read", '{"path":"/a"}'), call("2", "list", "{broken")],
      },
      { role: "tool", tool_call_id: "2", content: "two" },
      { role: "tool", tool_call_id: "1", content: "one" },
      { role: "assistant", content: "Done" },
      { role: "user", content: "Thanks" },
    ],
  })
  assert.deepEqual(history, [
    { type: "system", text: "Be short" },
    { type: "user", text: "看\n[image_url: this model reads text only]" },
    {
      type: "model",
      response: [
        "Looking",
        { type: "functionCall", name: "read", params: { path: "/a" }, result: "one", startsNewChunk: true },
        { type: "functionCall", name: "list", params: {}, result: "two" },
        "Done",
      ],
    },
    { type: "user", text: "Thanks" },
    { type: "model", response: [] },
  ])
})

test("what is no conversation is refused", () => {
  const user = { role: "user", content: "x" }
  const tools = [{ type: "function", function: { name: "read" } }]
  for (const body of [
    undefined,
    {},
    { messages: [1] },
    { messages: [{ role: "narrator", content: "x" }] },
    { messages: [{ role: "tool", tool_call_id: "1", content: "x" }] },
    { messages: [user], tool_choice: "required" },
    { messages: [user], tools, tool_choice: { type: "function", function: { name: "write" } } },
  ])
    assert.throws(() => readAsk(body), { name: "BadRequest" })
})

test("tools are offered, forced or left out, as was asked", () => {
  const messages = [{ role: "user", content: "x" }]
  const tools = ["read", "list"].map((name) => ({
    type: "function",
    function: { name, parameters: { type: "object" } },
  }))
  assert.deepEqual(Object.keys(readAsk({ messages, tools }).functions ?? {}), ["read", "list"])
  assert.equal(readAsk({ messages, tools, tool_choice: "none" }).functions, undefined)
  const forced = readAsk({ messages, tools, tool_choice: { type: "function", function: { name: "list" } } })
  assert.equal(forced.functions, undefined)
  assert.match(JSON.stringify(forced.forced), /"name":\{"const":"list"\}/)
  assert.ok("oneOf" in (readAsk({ messages, tools, tool_choice: "required" }).forced?.schema ?? {}))
})

test("limits and forms are taken over", () => {
  const asked = readAsk({
    ...{ messages: [], max_tokens: 5, temperature: 0.5, top_p: 0.9, seed: 3, stop: ["END", ""] },
    response_format: {
      type: "json_schema",
      json_schema: { name: "x", schema: { type: "object", properties: { ok: { type: "boolean" } }, required: ["ok"] } },
    },
  })
  assert.deepEqual(asked.sampling, { maxTokens: 5, temperature: 0.5, topP: 0.9, seed: 3, customStopTriggers: ["END"] })
  assert.deepEqual(asked.form, { type: "object", properties: { ok: { type: "boolean" } } })
})

test("what need not be given may be null in the grammar, and such nulls are taken out again", () => {
  const schema = {
    type: "object",
    properties: {
      path: { type: "string", minLength: 1, pattern: "x" },
      mode: { enum: ["a", "b"], description: "Which" },
      lines: { type: "array", items: { $ref: "#/$defs/range" } },
    },
    required: ["path"],
    $defs: {
      range: {
        type: "object",
        properties: { from: { type: "integer" }, to: { type: ["integer", "null"] } },
        required: ["from"],
      },
    },
  }
  assert.deepEqual(paramsOf(schema), {
    type: "object",
    properties: {
      path: { type: "string", minLength: 1 },
      mode: { oneOf: [{ enum: ["a", "b"] }, { type: "null" }], description: "Which" },
      lines: {
        oneOf: [
          {
            type: "array",
            items: {
              type: "object",
              properties: {
                from: { type: "integer" },
                to: { oneOf: [{ type: ["integer", "null"] }, { type: "null" }] },
              },
            },
          },
          { type: "null" },
        ],
      },
    },
  })
  const written = { path: "/a", mode: null, lines: [{ from: 1, to: null }], more: null }
  assert.deepEqual(withoutNulls(written, schema), { path: "/a", lines: [{ from: 1 }], more: null })
})

test("a schema that refers to itself, says nothing, or is no schema still gives a form", () => {
  const tree = { type: "object", properties: { next: { $ref: "#" } }, required: ["next"] }
  assert.equal(grammarOf(tree)["type"], "object")
  const bush = Object.fromEntries(["a", "b", "c", "d", "e"].map((key) => [key, { $ref: "#" }]))
  assert.ok(JSON.stringify(grammarOf({ type: "object", properties: bush })).length < 200_000)
  for (const odd of [undefined, 1, {}, { $ref: "#/none" }, { type: "anything" }, { type: "string", const: {} }])
    assert.ok(Object.keys(grammarOf(odd)).length > 0)
  assert.deepEqual(paramsOf(undefined), { type: "object", properties: {} })
  const all = {
    allOf: [
      { properties: { a: { type: "string" } }, required: ["a"] },
      { properties: { b: { type: "null" } }, required: ["b"] },
    ],
  }
  assert.deepEqual(Object.keys(grammarOf(all)["properties"] ?? {}), ["a", "b"])
})
