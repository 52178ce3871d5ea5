// The HTTP door spoken to by hand: shapes on the wire, hostile and broken requests, peers that leave or do not read, and model
// services that fail in every way: each ends in a stated final state.
import assert from "node:assert/strict"
import http from "node:http"
import { after, before, beforeEach, test } from "node:test"
import { tokenHash } from "../src/gateway/auth.ts"
import type { TurnRecord } from "../src/protocol/turn.ts"
import { type FakeModel, type FakeReply, startFakeModel } from "./fakes/model-service.ts"
import { type House, startHouse } from "./house.ts"

let fake: FakeModel
let house: House

before(async () => {
  fake = await startFakeModel()
  house = await startHouse({
    fake: fake.url,
    config: {
      agents: { entries: { brief: { limits: { maxModelCalls: 1 } }, patient: { model: "patient/test-model" } } },
      providers: {
        // For answers of many megabytes, which take their time on a machine that is busy.
        patient: { wire: "openai-chat", baseUrl: `${fake.url}/v1`, apiKey: "k", models: ["test-model"] },
        fake: { wire: "openai-chat", baseUrl: `${fake.url}/v1`, apiKey: "k", models: ["test-model"], stallMs: 60 },
      },
    },
  })
})

after(async () => {
  await house.close()
  await fake.close()
})

beforeEach(() => {
  fake.requests.length = 0
})

interface Answer {
  status: number
  headers: http.IncomingHttpHeaders
  text: string
  json: Record<string, unknown>
}

interface Send {
  method?: string
  path?: string
  headers?: Record<string, string>
  body?: string | Buffer
  token?: string | null
}

const CHAT = "/v1/chat/completions"

function open({ method = "POST", path = CHAT, headers = {}, body, token = house.token }: Send): http.ClientRequest {
  const url = new URL(house.url)
  const request = http.request({
    host: url.hostname,
    port: url.port,
    method,
    path,
    agent: false,
    headers: {
      ...(body === undefined ? {} : { "content-type": "application/json" }),
      ...(token === null ? {} : { authorization: `Bearer ${token}` }),
      ...headers,
    },
  })
  if (body === undefined && method === "POST") return request
  request.end(body)
  return request
}

function answerOf(request: http.ClientRequest): Promise<http.IncomingMessage> {
  return new Promise((resolve, reject) => request.once("response", resolve).once("error", reject))
}

async function send(options: Send): Promise<Answer> {
  const response = await answerOf(open(options))
  let text = ""
  for await (const chunk of response.setEncoding("utf8")) text += chunk
  const isJson = /json/.test(response.headers["content-type"] ?? "") && text !== ""
  return { status: response.statusCode!, headers: response.headers, text, json: isJson ? JSON.parse(text) : {} }
}

const get = (path: string, options: Send = {}) => send({ method: "GET", path, token: null, ...options })

const ask = (fields: Record<string, unknown> = {}): string =>
  JSON.stringify({ model: "pincer", messages: [{ role: "user", content: "hi" }], ...fields })

function errorOf(answer: Answer): { message: string; type: string; param: string | null; code: string } {
  return answer.json["error"] as ReturnType<typeof errorOf>
}

async function newest(): Promise<TurnRecord> {
  const [turn] = await house.parts.store.turns.list({ limit: 1 })
  return (await house.parts.lanes.wait(turn!.turnId))!
}

test("health routes need no token and tell nothing but their fields", async () => {
  const health = await get("/health")
  assert.equal(health.status, 200)
  assert.deepEqual(Object.keys(health.json).sort(), [
    "connections",
    "ok",
    "protocol",
    "status",
    "time",
    "uptime",
    "version",
  ])
  assert.deepEqual((await get("/healthz")).json, { ok: true, status: "live" })
  assert.equal((await get("/health", { headers: { accept: "text/plain" } })).text, "ok")
  for (const path of ["/ready", "/readyz"]) {
    const ready = await get(path)
    assert.equal(ready.status, 200)
    assert.equal(ready.json["ready"], true)
  }
  const head = await get("/health", { method: "HEAD" })
  assert.equal(head.status, 200)
  assert.equal(head.text, "")
})

test("a gateway that drains is alive and not ready", async () => {
  const other = await startHouse()
  try {
    await other.parts.lanes.drain(0)
    const ready = await fetch(`${other.url}/ready`)
    assert.equal(ready.status, 503)
    assert.deepEqual(((await ready.json()) as { failing: string[] }).failing, ["draining"])
    assert.equal((await fetch(`${other.url}/healthz`)).status, 200)
    const refused = await fetch(other.url + CHAT, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${other.token}` },
      body: ask(),
    })
    assert.equal(refused.status, 503)
    assert.equal(refused.headers.get("retry-after"), "2")
  } finally {
    await other.close()
  }
})

test("an unknown path names what exists, a wrong method what is allowed", async () => {
  const unknown = await get("/v2/nothing")
  assert.equal(unknown.status, 404)
  assert.match(errorOf(unknown).message, /\/v1\/chat\/completions/)
  const wrong = await get(CHAT)
  assert.equal(wrong.status, 405)
  assert.equal(wrong.headers["allow"], "POST")
  assert.equal((await send({ path: "/health", body: "{}" })).status, 405)
})

test("without the token every /v1 route is 401 before anything of it is read", async () => {
  const paths = ["/v1/models", "/v1/models/x", "/v1/responses/resp_1"]
  for (const path of paths) assert.equal((await get(path)).status, 401, path)
  for (const path of [CHAT, "/v1/responses", "/v1/embeddings"])
    for (const token of [null, "wrong"]) {
      const answer = await send({ path, token, body: "not json" })
      assert.equal(answer.status, 401, path)
      assert.match(String(answer.headers["www-authenticate"]), /^Bearer/)
      assert.equal(errorOf(answer).type, "authentication_error")
    }
})

test("a device token may do what its scopes allow and no more", async () => {
  const device = { deviceId: "d1", publicKey: "p", platform: "x", role: "operator" }
  await house.parts.store.devices.admit({ ...device, scopes: ["operator.read"] }, "operator")
  await house.parts.store.devices.setToken("d1", "operator", tokenHash("device-token"), ["operator.read"])
  assert.equal((await get("/v1/models", { token: "device-token" })).status, 200)
  const refused = await send({ token: "device-token", body: ask() })
  assert.equal(refused.status, 403)
  assert.equal(errorOf(refused).code, "missing_scope")
  assert.equal(fake.requests.length, 0)
})

test("bodies that a foreign page could send are refused: only application/json passes", async () => {
  for (const type of ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""]) {
    const answer = await send({ body: ask(), headers: { "content-type": type } })
    assert.equal(answer.status, 415, type)
  }
  assert.equal((await send({ body: ask(), headers: { "content-encoding": "gzip" } })).status, 415)
  assert.equal(
    (await send({ body: ask(), headers: { "content-type": "application/json; charset=utf-8" } })).status,
    200,
  )
  const foreign = await send({ body: ask(), headers: { origin: "https://evil.example" } })
  assert.equal(foreign.status, 403)
  assert.equal(fake.requests.length, 1)
})

test("bodies that are not a request are refused with the reason", async () => {
  const cases: [string | Buffer, RegExp][] = [
    ["", /not valid JSON/],
    ["{", /not valid JSON/],
    ["[]", /JSON object/],
    ["null", /JSON object/],
    [`{"messages":${"[".repeat(100)}${"]".repeat(100)}}`, /deeper than 64/],
    [Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x7d]), /UTF-8/],
    ['{"messages":[]}', /at least one message/],
    ['{"messages":[{"role":"wizard","content":"hi"}]}', /messages\.0\.role/],
    ['{"messages":[{"role":"system","content":"only this"}]}', /anything to answer/],
    [ask({ messages: [{ role: "user", content: "" }] }), /anything to answer/],
    [ask({ messages: [{ role: "tool", content: "x" }] }), /names the call/],
    [ask({ temperature: "hot" }), /temperature/],
    [ask({ tools: [{ type: "web_search" }] }), /function tools/],
    [ask({ tool_choice: { type: "function", function: { name: "none" } } }), /not among the tools/],
    [ask({ functions: [] }), /use tools/],
    [ask({ logit_bias: { "5": 1 } }), /not supported/],
    [ask({ messages: [{ role: "user", content: [{ type: "input_audio" }] }] }), /input_audio/],
  ]
  for (const [body, reason] of cases) {
    const answer = await send({ body })
    assert.equal(answer.status, 400, String(body).slice(0, 80))
    assert.match(errorOf(answer).message, reason)
    assert.equal(errorOf(answer).type, "invalid_request_error")
  }
  assert.equal(fake.requests.length, 0)
  const proto = await send({ body: `{"__proto__":{"n":5},"messages":[{"role":"user","content":"hi"}]}` })
  assert.equal(proto.status, 200)
  assert.equal(({} as Record<string, unknown>)["n"], undefined)
})

test("a body that is too large is 413, announced or not, and the connection lives to tell", async () => {
  const announced = open({
    headers: { "content-type": "application/json", "content-length": String(21 * 1024 * 1024) },
  })
  announced.flushHeaders()
  const refused = await answerOf(announced)
  assert.equal(refused.statusCode, 413)
  announced.destroy()
  const creeping = open({ headers: { "content-type": "application/json", "transfer-encoding": "chunked" } })
  creeping.on("error", () => undefined)
  const megabyte = Buffer.alloc(1024 * 1024, 32)
  for (let i = 0; i < 21; i++) creeping.write(megabyte)
  assert.equal((await answerOf(creeping)).statusCode, 413)
  creeping.destroy()
  assert.equal((await send({ body: ask() })).status, 200)
})

test("session names: reserved and contradictory ones are refused, any script is welcome", async () => {
  const withKey = (key: string, more: Record<string, string> = {}) =>
    // The body as bytes: as text, node:http would encode it and the header together, as UTF-8.
    send({
      body: Buffer.from(ask()),
      headers: { "x-pincer-session-key": Buffer.from(key).toString("latin1"), ...more },
    })
  for (const key of ["subagent:1", "cron:x", "agent:main:acp:1"]) assert.equal((await withKey(key)).status, 400, key)
  assert.equal((await withKey("agent:main:x", { "x-pincer-agent-id": "brief" })).status, 400)
  assert.equal((await withKey("agent:brief:x")).headers["x-pincer-session-key"], "agent:brief:x")
  assert.equal((await withKey("旅行计划")).status, 200)
  assert.ok(await house.parts.store.sessions.get("agent:main:旅行计划"))
  assert.equal((await send({ body: ask(), headers: { "x-pincer-agent-id": "nobody" } })).status, 404)
})

function dataLines(text: string): string[] {
  return text
    .split("\n\n")
    .filter((event) => event.startsWith("data: "))
    .map((event) => event.slice("data: ".length))
}

test("a stream is event lines from the role to [DONE], with who answered in its headers", async () => {
  fake.script({ text: 'quote " and \\ and \n newline and 世界' })
  const answer = await send({ body: ask({ stream: true }) })
  assert.match(String(answer.headers["content-type"]), /^text\/event-stream/)
  assert.match(String(answer.headers["cache-control"]), /no-cache/)
  assert.equal(answer.headers["x-pincer-model"], "fake/test-model")
  const turnId = String(answer.headers["x-pincer-turn-id"])
  assert.equal((await house.parts.store.turns.get(turnId))?.status, "completed")
  const lines = dataLines(answer.text)
  assert.equal(lines.at(-1), "[DONE]")
  const chunks = lines.slice(0, -1).map((line) => JSON.parse(line) as { choices: { delta: { content?: string } }[] })
  assert.deepEqual(chunks[0]!.choices[0]!.delta, { role: "assistant", content: "", refusal: null })
  const text = chunks.map((chunk) => chunk.choices[0]!.delta.content ?? "").join("")
  assert.equal(text, 'quote " and \\ and \n newline and 世界')
})

test("a peer that leaves in the middle of a stream cancels the turn and the model's stream", async () => {
  fake.script({ text: "never finished", gate: new Promise(() => undefined) })
  const request = open({ body: ask({ stream: true }) })
  const response = await answerOf(request)
  await new Promise((resolve) => response.once("data", resolve))
  request.destroy()
  await fake.requests[0]!.closed
  const turn = await newest()
  assert.equal(turn.status, "canceled")
  assert.equal(turn.outcome?.text, "never")
})

test("a peer that reads late gets every character; what waited comes joined", async () => {
  const text = "0123456789".repeat(150_000)
  fake.script({ text, deltaSize: 500 })
  const response = await answerOf(open({ body: ask({ model: "pincer/patient", stream: true }) }))
  response.pause()
  assert.equal((await newest()).status, "completed")
  let got = ""
  for await (const chunk of response.setEncoding("utf8")) got += chunk
  const lines = dataLines(got)
  const pieces = lines.slice(0, -1).map((line) => {
    const chunk = JSON.parse(line) as { choices: { delta: { content?: string } }[] }
    return chunk.choices[0]!.delta.content ?? ""
  })
  assert.equal(pieces.join(""), text)
  assert.equal(lines.at(-1), "[DONE]")
})

test("a peer that never reads is given up at a cap, and its turn with it", async () => {
  fake.script({ text: "x".repeat(24_000_000), deltaSize: 60_000 })
  const response = await answerOf(open({ body: ask({ model: "pincer/patient", stream: true }) }))
  response.pause()
  response.on("error", () => undefined)
  assert.equal((await newest()).status, "canceled")
})

const FAILURES: [string, NonNullable<FakeReply["fail"]>][] = [
  ["cut", { type: "cut" }],
  ["no finish reason", { type: "no-finish" }],
  ["silence", { type: "stall", after: "first" }],
  ["broken JSON", { type: "broken-json" }],
  ["an error event", { type: "error-event", message: "the model fell over" }],
]

test("a model that fails in the middle ends the stream with an error, and an answer with a status", async () => {
  for (const [name, fail] of FAILURES) {
    fake.script({ text: "half an answer", fail }, { text: "half an answer", fail })
    const streamed = await send({ body: ask({ stream: true }) })
    assert.equal(streamed.status, 200, name)
    const lines = dataLines(streamed.text)
    const { error } = JSON.parse(lines.at(-1)!) as { error: { message: string; code: string } }
    assert.match(error.message, /^fake\/test-model: /, name)
    assert.ok(!streamed.text.includes("[DONE]"), name)
    assert.ok(!streamed.text.includes('"finish_reason":"'), name)
    const whole = await send({ body: ask() })
    assert.ok(whole.status >= 500, `${name}: ${whole.status}`)
    assert.match(errorOf(whole).message, /^fake\/test-model: /, name)
    const turn = await newest()
    assert.equal(turn.outcome?.error?.code === "TIMEOUT" ? "timeout" : "failed", turn.status, name)
  }
})

test("a model that never begins is an HTTP status, also for a stream", async () => {
  const fails: [FakeReply["fail"], number][] = [
    [{ type: "html" }, 503],
    [{ type: "content-type", value: "application/json" }, 503],
    [{ type: "status", status: 401 }, 503],
    [{ type: "status", status: 400, body: '{"error":{"message":"maximum context length is 5"}}' }, 400],
  ]
  for (const [fail, status] of fails) {
    fake.script({ text: "x", fail })
    const answer = await send({ body: ask({ stream: true }) })
    assert.equal(answer.status, status, JSON.stringify(fail))
    assert.ok(errorOf(answer).message.length > 0)
  }
})

test("the arguments of a half-received client tool call are never given out", async () => {
  const tools = [{ type: "function", function: { name: "pay", parameters: { type: "object" } } }]
  fake.script({ calls: [{ name: "pay", args: '{"amount": 1' }], fail: { type: "cut" } })
  const answer = await send({ body: ask({ stream: true, tools }) })
  assert.ok(!answer.text.includes("amount"))
  assert.ok(!answer.text.includes("tool_calls"))
})

test("a turn limit that cuts an answer short is finish_reason length", async () => {
  fake.script({ text: "Looking.", calls: [{ name: "LS", args: { path: "." } }] })
  const answer = await send({ body: ask({ model: "pincer/brief" }) })
  const [choice] = answer.json["choices"] as { finish_reason: string; message: { content: string } }[]
  assert.equal(choice?.finish_reason, "length")
  assert.equal(choice?.message.content, "Looking.")
})

test("once the agent has used a tool, a failure tells clients not to send the request again", async () => {
  fake.script({ calls: [{ name: "LS", args: { path: "." } }] }, { fail: { type: "status", status: 400 } })
  const after = await send({ body: ask() })
  assert.equal(after.status, 400)
  assert.equal(after.headers["x-should-retry"], "false")
  fake.script({ fail: { type: "status", status: 400 } })
  assert.equal((await send({ body: ask() })).headers["x-should-retry"], undefined)
})

test("a turn that somebody else cancels ends its stream with an error and its request with 499", async () => {
  for (const stream of [true, false]) {
    const asked = Promise.withResolvers<void>()
    fake.otherwise(() => {
      asked.resolve()
      return { text: "long work", gate: new Promise(() => undefined) }
    })
    const request = open({ body: ask({ stream }), headers: { "x-pincer-session-key": "shared" } })
    const response = answerOf(request)
    if (stream) await new Promise<void>((resolve) => void response.then((r) => r.once("readable", resolve)))
    else await asked.promise
    await house.parts.lanes.cancel({ sessionKey: "agent:main:shared" })
    let text = ""
    for await (const chunk of (await response).setEncoding("utf8")) text += chunk
    assert.equal((await response).statusCode, stream ? 200 : 499)
    assert.match(text, /"code":"aborted"/)
  }
  fake.otherwise({ text: "Hello from the fake model." })
})

test("a gateway that stops ends its streams with a stated error", async () => {
  const other = await startHouse({ fake: fake.url })
  fake.script({ text: "cut off by a shutdown", gate: new Promise(() => undefined) })
  const answer = await fetch(other.url + CHAT, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${other.token}` },
    body: ask({ stream: true }),
  })
  const reader = answer.body!.getReader()
  let text = new TextDecoder().decode((await reader.read()).value)
  const stopped = other.close()
  for (;;) {
    const { done, value } = await reader.read()
    if (done) break
    text += new TextDecoder().decode(value)
  }
  await stopped
  assert.match(text, /"error":\{"message":"Pincer was stopped/)
})

test("a raw stream that the service cuts off ends in an error event, and nothing is stored", async () => {
  const before = (await house.parts.store.turns.list({ limit: 1000 })).length
  fake.script({ text: "half", fail: { type: "cut" } })
  const answer = await send({ body: ask({ model: "pincer/raw/fake/test-model", stream: true }) })
  const { error } = JSON.parse(dataLines(answer.text).at(-1)!) as { error: { message: string } }
  assert.match(error.message, /broke off/)
  assert.equal((await house.parts.store.turns.list({ limit: 1000 })).length, before)
})

test("a raw model of a service that is not there is 503", async () => {
  const other = await startHouse({
    config: { providers: { dead: { wire: "openai-chat", baseUrl: "http://127.0.0.1:9/v1", models: ["m"] } } },
  })
  try {
    const answer = await fetch(other.url + CHAT, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${other.token}` },
      body: ask({ model: "pincer/raw/dead/m" }),
    })
    assert.equal(answer.status, 503)
  } finally {
    await other.close()
  }
})

test("responses: a reset session takes its responses with it, a foreign session name is refused", async () => {
  const create = (fields: object, headers: Record<string, string> = {}) =>
    send({ path: "/v1/responses", body: JSON.stringify({ model: "pincer", input: "hi", ...fields }), headers })
  const first = await create({}, { "x-pincer-session-key": "chain" })
  const id = String(first.json["id"])
  const elsewhere = await create({ previous_response_id: id }, { "x-pincer-session-key": "other" })
  assert.equal(elsewhere.status, 400)
  await house.parts.store.sessions.reset("agent:main:chain")
  const gone = await create({ previous_response_id: id })
  assert.equal(gone.status, 404)
  assert.equal(errorOf(gone).code, "response_not_found")
  for (const [fields, reason] of [
    [{ background: true }, /background/],
    [{ input: [{ type: "item_reference", id: "x" }] }, /item_reference/],
    [{ input: [{ role: "user", content: [{ type: "input_image", image_url: "https://x" }] }] }, /data URL/],
    [{ model: "pincer/raw/fake/m" }, /raw models/],
    [{ tools: [{ type: "web_search" }] }, /function tools/],
  ] as const) {
    const refused = await create(fields)
    assert.equal(refused.status, 400, JSON.stringify(fields))
    assert.match(errorOf(refused).message, reason)
  }
})
