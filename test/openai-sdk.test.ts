// The official OpenAI SDK against a whole gateway and the fake model service: what its users do must work unchanged.
import assert from "node:assert/strict"
import { after, before, beforeEach, test } from "node:test"
import OpenAI from "openai"
import { type FakeModel, startFakeModel } from "./fakes/model-service.ts"
import { type House, startHouse } from "./house.ts"

let fake: FakeModel
let house: House
let client: OpenAI

before(async () => {
  fake = await startFakeModel()
  house = await startHouse({
    fake: fake.url,
    config: {
      agents: { entries: { helper: { systemPrompt: "You are the helper." } } },
      providers: {
        fake: { wire: "openai-chat", baseUrl: `${fake.url}/v1`, apiKey: "fake-key", models: ["test-model"] },
        claude: { wire: "anthropic", baseUrl: fake.url, apiKey: "k", models: ["test-model"] },
      },
    },
  })
  client = sdk(house.token)
})

after(async () => {
  await house.close()
  await fake.close()
})

beforeEach(() => {
  fake.requests.length = 0
})

function sdk(apiKey: string): OpenAI {
  return new OpenAI({ baseURL: `${house.url}/v1`, apiKey, maxRetries: 0 })
}

const user = (content: string) => ({ role: "user" as const, content })

const weather = {
  type: "function" as const,
  function: {
    name: "get_weather",
    description: "Weather of a city",
    parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
  },
}

function last(): Record<string, unknown>[] {
  return fake.requests.at(-1)!.body["messages"] as Record<string, unknown>[]
}

test("chat.completions answers with text, usage and a finish reason", async () => {
  fake.script({ text: "Grüß dich, 世界", thinking: "well", usage: { input: 20, output: 9, cached: 5, reasoning: 2 } })
  const answer = await client.chat.completions.create({ model: "pincer", messages: [user("hi")] })
  assert.match(answer.id, /^chatcmpl-[0-9a-f]{32}$/)
  assert.equal(answer.object, "chat.completion")
  assert.equal(answer.model, "pincer")
  assert.equal(answer.choices[0]?.message.content, "Grüß dich, 世界")
  assert.equal(answer.choices[0]?.finish_reason, "stop")
  assert.deepEqual(answer.usage, {
    prompt_tokens: 20,
    completion_tokens: 9,
    total_tokens: 29,
    prompt_tokens_details: { cached_tokens: 5 },
    completion_tokens_details: { reasoning_tokens: 2 },
  })
})

test("a chat stream gives the role, the text, the finish reason, and usage only when asked for", async () => {
  fake.script({ text: "one two three", thinking: "hmm" }, { text: "again" })
  const params = { model: "pincer/main", messages: [user("hi")], stream: true as const }
  const chunks = []
  for await (const chunk of await client.chat.completions.create({
    ...params,
    stream_options: { include_usage: true },
  }))
    chunks.push(chunk)
  assert.equal(chunks[0]?.choices[0]?.delta.role, "assistant")
  const text = chunks.map((chunk) => chunk.choices[0]?.delta.content ?? "").join("")
  assert.equal(text, "one two three")
  const reasons = chunks.flatMap((chunk) => chunk.choices.map((choice) => choice.finish_reason)).filter(Boolean)
  assert.deepEqual(reasons, ["stop"])
  assert.deepEqual(chunks.at(-1)?.choices, [])
  assert.equal(chunks.at(-1)?.usage?.total_tokens, 18)
  const thinking = chunks.map((chunk) => (chunk.choices[0]?.delta as { reasoning_content?: string })?.reasoning_content)
  assert.equal(thinking.filter(Boolean).join(""), "hmm")
  for await (const chunk of await client.chat.completions.create(params)) assert.equal(chunk.usage, undefined)
})

test("the SDK's own stream helper puts a whole completion together", async () => {
  fake.script({ text: "all of it" })
  const stream = client.chat.completions.stream({ model: "pincer", messages: [user("hi")] })
  const whole = await stream.finalChatCompletion()
  assert.equal(whole.choices[0]?.message.content, "all of it")
})

test("a client's tools come back as tool calls, and their results go on where it stopped", async () => {
  fake.script({ calls: [{ id: "call_a", name: "get_weather", args: { city: "Linz" } }] }, { text: "It rains." })
  const messages: OpenAI.ChatCompletionMessageParam[] = [user("Weather in Linz?")]
  const first = await client.chat.completions.create({
    model: "pincer",
    messages,
    tools: [weather],
    tool_choice: "auto",
    parallel_tool_calls: false,
  })
  const { message, finish_reason: reason } = first.choices[0]!
  assert.equal(reason, "tool_calls")
  assert.equal(message.content, null)
  const call = message.tool_calls![0]!
  assert.deepEqual(call, {
    id: "call_a",
    type: "function",
    function: { name: "get_weather", arguments: '{"city":"Linz"}' },
  })
  const sent = fake.requests[0]!.body
  assert.equal(sent["parallel_tool_calls"], false)
  messages.push(message, { role: "tool", tool_call_id: call.id, content: "rain, 12 degrees" })
  const second = await client.chat.completions.create({ model: "pincer", messages, tools: [weather] })
  assert.equal(second.choices[0]?.message.content, "It rains.")
  const roles = last().map((one) => one["role"])
  assert.deepEqual(roles, ["system", "user", "assistant", "tool"])
  assert.equal(last()[3]?.["tool_call_id"], "call_a")
  assert.equal(last()[3]?.["content"], "rain, 12 degrees")
})

test("tool calls stream with index, id, name and arguments", async () => {
  const calls = [
    { id: "call_1", name: "get_weather", args: { city: "A" } },
    { id: "call_2", name: "get_weather", args: { city: "B" } },
  ]
  fake.script({ text: "Looking.", calls })
  const stream = client.chat.completions.stream({ model: "pincer", messages: [user("both?")], tools: [weather] })
  const { message, finish_reason: reason } = (await stream.finalChatCompletion()).choices[0]!
  assert.equal(reason, "tool_calls")
  assert.equal(message.content, "Looking.")
  const got = message.tool_calls!.map((call) => call.type === "function" && [call.id, call.function.arguments])
  assert.deepEqual(got, [
    ["call_1", '{"city":"A"}'],
    ["call_2", '{"city":"B"}'],
  ])
})

test("the agent's own tool calls stay inside: the client sees words only", async () => {
  fake.script({ text: "Let me look.", calls: [{ name: "LS", args: { path: "." } }] }, { text: "Nothing there." })
  const answer = await client.chat.completions.create({ model: "pincer", messages: [user("list files")] })
  assert.equal(answer.choices[0]?.message.tool_calls, undefined)
  assert.equal(answer.choices[0]?.message.content, "Let me look.\n\nNothing there.")
  assert.equal(answer.choices[0]?.finish_reason, "stop")
})

test("a client's tool stands in front of the agent's tool of the same name", async () => {
  fake.script({ calls: [{ id: "call_r", name: "Read", args: { file: "a" } }] })
  const answer = await client.chat.completions.create({
    model: "pincer",
    messages: [user("read a")],
    tools: [{ type: "function", function: { name: "Read", description: "theirs" } }],
  })
  assert.equal(answer.choices[0]?.message.tool_calls?.[0]?.id, "call_r")
  const offered = (fake.requests[0]!.body["tools"] as { function: { name: string; description: string } }[]).filter(
    (tool) => tool.function.name === "Read",
  )
  assert.deepEqual(
    offered.map((tool) => tool.function.description),
    ["theirs"],
  )
})

test("system and developer messages, sampling and formats reach the model", async () => {
  await client.chat.completions.create({
    model: "pincer",
    messages: [
      { role: "system", content: "Speak Latin." },
      { role: "developer", content: "Be short." },
      user("hi"),
      { role: "assistant", content: "salve" },
      user("again"),
    ],
    temperature: 0.5,
    top_p: 0.9,
    seed: 7,
    stop: ["END"],
    max_completion_tokens: 99,
    reasoning_effort: "low",
    response_format: { type: "json_schema", json_schema: { name: "out", schema: { type: "object" }, strict: true } },
  })
  const { body } = fake.requests[0]!
  assert.match(String(last()[0]?.["content"]), /Speak Latin\.\n\nBe short\./)
  assert.deepEqual(
    last()
      .slice(1)
      .map((one) => one["content"]),
    ["hi", "salve", "again"],
  )
  assert.equal(body["temperature"], 0.5)
  assert.equal(body["top_p"], 0.9)
  assert.equal(body["seed"], 7)
  assert.deepEqual(body["stop"], ["END"])
  assert.equal(body["max_tokens"], 99)
  assert.equal(body["reasoning_effort"], "low")
  assert.deepEqual(body["response_format"], {
    type: "json_schema",
    json_schema: { name: "out", schema: { type: "object" }, strict: true },
  })
})

test("a named session keeps the conversation: only what is new is sent on", async () => {
  fake.script({ text: "first answer" }, { text: "second answer" })
  const headers = { "x-openclaw-session-key": "Agent:Main:SDK-Session" }
  await client.chat.completions.create({ model: "pincer", messages: [user("one")] }, { headers })
  const messages = [user("edited one"), { role: "assistant" as const, content: "edited answer" }, user("two")]
  await client.chat.completions.create({ model: "pincer", messages }, { headers })
  assert.deepEqual(
    last()
      .slice(1)
      .map((one) => one["content"]),
    ["one", "first answer", "two"],
  )
  assert.ok(await house.parts.store.sessions.get("agent:main:sdk-session"))
})

test("`user` makes a stable session, nothing makes a fresh one", async () => {
  const say = (name?: string) =>
    client.chat.completions.create({ model: "pincer", messages: [user("hi")], ...(name ? { user: name } : {}) })
  await say("anna")
  await say("anna")
  assert.equal(last().length, 4)
  await say()
  assert.equal(last().length, 2)
  assert.ok(await house.parts.store.sessions.get("agent:main:openai-user:anna"))
})

test("agents are chosen by model name or header, in every form", async () => {
  const asks: [string, Record<string, string>][] = [
    ["pincer/helper", {}],
    ["openclaw:helper", {}],
    ["clawdbot/helper", {}],
    ["agent:helper", {}],
    ["pincer", { "x-clawdbot-agent-id": "helper" }],
    ["fake/test-model", { "x-pincer-agent-id": "helper" }],
  ]
  for (const [model, headers] of asks) {
    await client.chat.completions.create({ model, messages: [user("hi")] }, { headers })
    assert.match(String(last()[0]?.["content"]), /You are the helper/, model)
  }
})

test("an image travels as a data URL; a link to one is refused", async () => {
  const pixel =
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
  const ask = (url: string) =>
    client.chat.completions.create({
      model: "pincer",
      messages: [
        {
          role: "user",
          content: [
            { type: "text", text: "what?" },
            { type: "image_url", image_url: { url } },
          ],
        },
      ],
    })
  await ask(pixel)
  const content = last().at(-1)?.["content"] as { type: string; image_url?: { url: string } }[]
  assert.equal(content[1]?.image_url?.url, pixel)
  await assert.rejects(ask("http://169.254.169.254/latest/meta-data"), (error: unknown) => {
    assert.ok(error instanceof OpenAI.BadRequestError)
    assert.match(error.message, /data URL/)
    assert.equal(error.param, "messages.0.content.1")
    return true
  })
})

test("errors are those that the SDK knows: 401, 404, 400, 429 with Retry-After", async () => {
  const messages = [user("hi")]
  await assert.rejects(sdk("wrong").chat.completions.create({ model: "pincer", messages }), OpenAI.AuthenticationError)
  for (const model of ["gpt-unknown", "pincer/nobody", "pincer/raw/nobody/x"])
    await assert.rejects(client.chat.completions.create({ model, messages }), (error: unknown) => {
      assert.ok(error instanceof OpenAI.NotFoundError, model)
      assert.equal(error.code, "model_not_found")
      return true
    })
  await assert.rejects(client.chat.completions.create({ model: "pincer", messages: [] }), OpenAI.BadRequestError)
  await assert.rejects(client.chat.completions.create({ model: "pincer", messages, n: 2 }), OpenAI.BadRequestError)
  await assert.rejects(client.chat.completions.create({ model: "pincer", messages, logprobs: true }), /probabilities/)
  await assert.rejects(
    client.chat.completions.create({ model: "pincer", messages, tool_choice: "required" }),
    /needs tools/,
  )
  for (const stream of [false, true]) {
    fake.script({ fail: { type: "status", status: 429, headers: { "retry-after": "120" } } })
    await assert.rejects(client.chat.completions.create({ model: "pincer", messages, stream }), (error: unknown) => {
      assert.ok(error instanceof OpenAI.RateLimitError)
      assert.equal(error.headers?.get("retry-after"), "120")
      assert.equal(error.code, "rate_limit_exceeded")
      return true
    })
  }
})

test("an answer that is cut short says length", async () => {
  fake.script({ text: "unfinish", finish: "length" }, { text: "x", finish: "content_filter" })
  const ask = () => client.chat.completions.create({ model: "pincer", messages: [user("hi")] })
  assert.equal((await ask()).choices[0]?.finish_reason, "length")
  assert.equal((await ask()).choices[0]?.finish_reason, "content_filter")
})

test("a stream that the client aborts cancels the turn and closes the line to the model", async () => {
  fake.script({ text: "never to be finished", gate: new Promise(() => undefined) })
  const stream = await client.chat.completions.create({ model: "pincer", messages: [user("hi")], stream: true })
  for await (const chunk of stream) if (chunk.choices[0]?.delta.content) break
  await fake.requests[0]!.closed
  const ended = await nextEnd()
  assert.equal(ended, "canceled")
})

test("a request without stream that the client drops cancels its turn", async () => {
  const asked = Promise.withResolvers<void>()
  fake.otherwise(() => {
    asked.resolve()
    return { text: "never to be finished", gate: new Promise(() => undefined) }
  })
  const controller = new AbortController()
  const answer = client.chat.completions.create(
    { model: "pincer", messages: [user("hi")] },
    { signal: controller.signal },
  )
  answer.catch(() => undefined)
  await asked.promise
  controller.abort()
  await assert.rejects(answer, OpenAI.APIUserAbortError)
  await fake.requests[0]!.closed
  assert.equal(await nextEnd(), "canceled")
  fake.otherwise({ text: "Hello from the fake model." })
})

/** How the newest turn ended. */
async function nextEnd(): Promise<string | undefined> {
  const [turn] = await house.parts.store.turns.list({ limit: 1 })
  return (await house.parts.lanes.wait(turn!.turnId))?.status
}

test("models: agents first, then the services' models; views; one by its name", async () => {
  const all = (await client.models.list()).data.map((model) => model.id)
  assert.deepEqual(all.slice(0, 2), ["pincer/main", "pincer/helper"])
  assert.ok(all.includes("fake/test-model"))
  const agents = await client.models.list({ query: { view: "agents" } })
  assert.ok(agents.data.every((model) => model.owned_by === "pincer"))
  assert.equal((await client.models.retrieve("fake/test-model")).owned_by, "fake")
  assert.equal((await client.models.retrieve("pincer/helper")).id, "pincer/helper")
  await assert.rejects(client.models.retrieve("nothing"), OpenAI.NotFoundError)
  await assert.rejects(sdk("wrong").models.list(), OpenAI.AuthenticationError)
})

test("embeddings come as the SDK's base64 and as floats; a service without any says so", async () => {
  const packed = await client.embeddings.create({ model: "fake/any", input: ["ab", "abcd"] })
  assert.deepEqual(
    packed.data.map((one) => one.embedding),
    [
      [2, 0.5, -1],
      [4, 0.5, -1],
    ],
  )
  assert.equal(packed.usage.prompt_tokens, 2)
  const plain = await client.embeddings.create({ model: "fake/any", input: "abc", encoding_format: "float" })
  assert.deepEqual(plain.data[0]?.embedding, [3, 0.5, -1])
  const viaHeader = { headers: { "x-pincer-model": "fake/any" } }
  assert.equal((await client.embeddings.create({ model: "pincer", input: "abc" }, viaHeader)).data.length, 1)
  await assert.rejects(client.embeddings.create({ model: "offline/rules", input: "x" }), /offers no embeddings/)
  await assert.rejects(client.embeddings.create({ model: "pincer", input: "x" }), /agent makes no embeddings/)
  await assert.rejects(client.embeddings.create({ model: "fake/any", input: [] }), OpenAI.BadRequestError)
})

test("responses: text in, a response object out, stored until it is deleted", async () => {
  fake.script({ text: "Guten Tag", thinking: "hm", usage: { input: 5, output: 4, cached: 1, reasoning: 2 } })
  const response = await client.responses.create({
    model: "pincer",
    input: "hi",
    instructions: "Speak German.",
    metadata: { purpose: "test" },
  })
  assert.match(response.id, /^resp_[0-9a-f]{32}$/)
  assert.equal(response.status, "completed")
  assert.equal(response.output_text, "Guten Tag")
  assert.deepEqual(
    response.output.map((item) => item.type),
    ["reasoning", "message"],
  )
  assert.deepEqual(response.usage, {
    input_tokens: 5,
    input_tokens_details: { cached_tokens: 1 },
    output_tokens: 4,
    output_tokens_details: { reasoning_tokens: 2 },
    total_tokens: 9,
  })
  assert.deepEqual(response.metadata, { purpose: "test" })
  assert.match(String(last()[0]?.["content"]), /Speak German\./)
  const again = await client.responses.retrieve(response.id)
  assert.equal(again.output_text, "Guten Tag")
  await client.responses.delete(response.id)
  await assert.rejects(client.responses.retrieve(response.id), OpenAI.NotFoundError)
  const kept = await client.responses.create({ model: "pincer", input: "hi", store: false })
  await assert.rejects(client.responses.retrieve(kept.id), OpenAI.NotFoundError)
})

test("previous_response_id goes on in its session; an older one branches off without disturbing it", async () => {
  fake.script({ text: "A1" }, { text: "B1" }, { text: "B2" }, { text: "C1" })
  const ask = (input: string, previous?: string) =>
    client.responses.create({ model: "pincer", input, ...(previous ? { previous_response_id: previous } : {}) })
  const words = () =>
    last()
      .slice(1)
      .map((one) => one["content"])
  const a = await ask("a")
  const b = await ask("b", a.id)
  assert.equal(b.previous_response_id, a.id)
  assert.deepEqual(words(), ["a", "A1", "b"])
  await ask("b two", a.id)
  assert.deepEqual(words(), ["a", "A1", "b two"])
  await ask("c", b.id)
  assert.deepEqual(words(), ["a", "A1", "b", "B1", "c"])
  await assert.rejects(ask("x", "resp_unknown"), OpenAI.NotFoundError)
})

test("two that go on from one response at once do not meet in one session", async (t) => {
  fake.script({ text: "root" })
  const root = await client.responses.create({ model: "pincer", input: "root?" })
  // Both are held where they look the response up, so that both find it to be the latest.
  const { turns } = house.parts.store
  const turnId = (await turns.list({ limit: 1 }))[0]?.turnId
  const get = turns.get.bind(turns)
  const met = Promise.withResolvers<void>()
  let here = 0
  t.mock.method(turns, "get", async (id: string) => {
    if (id === turnId && ++here === 2) met.resolve()
    if (id === turnId) await met.promise
    return get(id)
  })
  const both = ["l", "r"].map((input) =>
    client.responses.create({ model: "pincer", input, previous_response_id: root.id }),
  )
  await Promise.all(both)
  for (const request of fake.requests.slice(1))
    assert.equal((request.body["messages"] as unknown[]).length, 4, "system, root?, root, and one question")
})

test("responses stream: events in order, numbered, and the SDK's helper agrees with the end", async () => {
  fake.script({ text: "streamed text", thinking: "thought" })
  const stream = client.responses.stream({ model: "pincer", input: "hi" })
  const types: string[] = []
  const numbers: number[] = []
  for await (const event of stream) {
    if (types.at(-1) !== event.type) types.push(event.type)
    numbers.push(event.sequence_number)
  }
  assert.deepEqual(types, [
    "response.created",
    "response.in_progress",
    "response.output_item.added",
    "response.content_part.added",
    "response.reasoning_text.delta",
    "response.reasoning_text.done",
    "response.content_part.done",
    "response.output_item.done",
    "response.output_item.added",
    "response.content_part.added",
    "response.output_text.delta",
    "response.output_text.done",
    "response.content_part.done",
    "response.output_item.done",
    "response.completed",
  ])
  assert.deepEqual(
    numbers,
    numbers.map((_, i) => i),
  )
  const final = await stream.finalResponse()
  assert.equal(final.output_text, "streamed text")
  assert.equal((await client.responses.retrieve(final.id)).output_text, "streamed text")
})

test("responses: function calls out, their outputs back in by previous_response_id", async () => {
  fake.script({ calls: [{ id: "call_f", name: "get_weather", args: { city: "Graz" } }] }, { text: "Sunny." })
  const tools = [{ type: "function" as const, strict: false, ...weather.function }]
  const stream = client.responses.stream({ model: "pincer", input: "Graz?", tools })
  const seen = new Set<string>()
  for await (const event of stream) seen.add(event.type)
  assert.ok(seen.has("response.function_call_arguments.delta"))
  assert.ok(seen.has("response.function_call_arguments.done"))
  const first = await stream.finalResponse()
  const call = first.output.find((item) => item.type === "function_call")!
  assert.equal(call.arguments, '{"city":"Graz"}')
  assert.equal(call.call_id, "call_f")
  const second = await client.responses.create({
    model: "pincer",
    previous_response_id: first.id,
    input: [{ type: "function_call_output", call_id: "call_f", output: "sun" }],
    tools,
  })
  assert.equal(second.output_text, "Sunny.")
  assert.deepEqual(
    last().map((one) => one["role"]),
    ["system", "user", "assistant", "tool"],
  )
})

test("responses: a stateless caller sends all items itself", async () => {
  await client.responses.create({
    model: "pincer",
    store: false,
    input: [
      { role: "developer", content: "Be kind." },
      { role: "user", content: "Graz?" },
      { type: "function_call", call_id: "c9", name: "get_weather", arguments: '{"city":"Graz"}' },
      { type: "function_call_output", call_id: "c9", output: "sun" },
      { role: "user", content: [{ type: "input_text", text: "so?" }] },
    ],
  })
  assert.deepEqual(
    last().map((one) => one["role"]),
    ["system", "user", "assistant", "tool", "user"],
  )
})

test("responses: incomplete and failed are stated", async () => {
  fake.script({ text: "half", finish: "length" }, { text: "ha", fail: { type: "cut" } })
  const cut = await client.responses.create({ model: "pincer", input: "hi" })
  assert.equal(cut.status, "incomplete")
  assert.equal(cut.incomplete_details?.reason, "max_output_tokens")
  const types: string[] = []
  for await (const event of client.responses.stream({ model: "pincer", input: "hi" })) types.push(event.type)
  assert.equal(types.at(-1), "response.failed")
  fake.otherwise({ fail: { type: "status", status: 500 } })
  await assert.rejects(client.responses.create({ model: "pincer", input: "hi" }), OpenAI.InternalServerError)
  fake.otherwise({ text: "Hello from the fake model." })
})

test("a raw model is the service itself: no agent, no tools, nothing stored, errors kept", async () => {
  const turns = (await house.parts.store.turns.list({ limit: 1000 })).length
  fake.script(
    { text: "straight" },
    { text: "streamed" },
    { fail: { type: "status", status: 418, body: '{"error":{"message":"teapot"}}' } },
  )
  const model = "pincer/raw/fake/vendor/model-x"
  const messages = [user("hi")]
  const chunks = []
  for await (const chunk of await client.chat.completions.create({ model, messages, stream: true, logprobs: true }))
    chunks.push(chunk)
  assert.equal(chunks.map((chunk) => chunk.choices[0]?.delta.content ?? "").join(""), "straight")
  assert.equal(chunks[0]?.id, "chatcmpl-fake")
  assert.deepEqual(fake.requests[0]!.body, { model: "vendor/model-x", messages, stream: true, logprobs: true })
  assert.equal(fake.requests[0]!.headers.authorization, "Bearer fake-key")
  fake.requests.length = 0
  const whole = await client.chat.completions.create({ model, messages }).asResponse()
  assert.equal(whole.status, 200)
  await whole.text()
  await assert.rejects(client.chat.completions.create({ model, messages }), (error: unknown) => {
    assert.ok(error instanceof OpenAI.APIError)
    assert.equal(error.status, 418)
    assert.match(error.message, /teapot/)
    return true
  })
  assert.equal((await house.parts.store.turns.list({ limit: 1000 })).length, turns)
})

test("a raw model on another wire answers in OpenAI's words, tools included", async () => {
  fake.script({ text: "Hm.", calls: [{ id: "toolu_1", name: "get_weather", args: { city: "Wels" } }] })
  const params = { model: "pincer/raw/claude/test-model", messages: [user("hi")], tools: [weather] }
  const { message, finish_reason: reason } = (await client.chat.completions.create(params)).choices[0]!
  assert.equal(fake.requests[0]!.wire, "anthropic")
  assert.equal(reason, "tool_calls")
  assert.equal(message.content, "Hm.")
  const [call] = message.tool_calls!
  assert.ok(call?.type === "function" && call.function.arguments === '{"city":"Wels"}')
  fake.script({ text: "streamed" })
  const stream = client.chat.completions.stream({ ...params, stream: true })
  assert.equal((await stream.finalChatCompletion()).choices[0]?.message.content, "streamed")
  fake.script({ fail: { type: "status", status: 429 } })
  await assert.rejects(client.chat.completions.create(params), OpenAI.RateLimitError)
})

test("an aborted raw stream closes the line to the service", async () => {
  fake.script({ text: "never to be finished", gate: new Promise(() => undefined) })
  const stream = await client.chat.completions.create({
    model: "pincer/raw/fake/test-model",
    messages: [user("hi")],
    stream: true,
  })
  for await (const chunk of stream) if (chunk.choices[0]?.delta.content) break
  await fake.requests[0]!.closed
})
