// The contract of provider.ts, for every wire over real HTTP: whatever a service does, a stream is closed by exactly one event, says
// what kind of failure it was, keeps what was received, hands on no half call and closes its connection.
import assert from "node:assert/strict"
import { type TestContext, test } from "node:test"
import { type FakeModel, type FakeReply, startFakeModel } from "../../test/fakes/model-service.ts"
import { doneOf, failureIn, hear, KEY, requestOf, settingsFor } from "../../test/fakes/provider-room.ts"
import { PincerError } from "../base/errors.ts"
import { callsOf, type Part, textOf } from "../protocol/message.ts"
import { openProvider } from "./index.ts"
import type { FailureKind, Provider } from "./provider.ts"
import type { ProviderSettings } from "./settings.ts"

const WIRES = ["openai-chat", "openai-responses", "anthropic", "gemini"] as const
type WireName = (typeof WIRES)[number]

const TOOLS = [{ name: "read", description: "Reads", inputSchema: { type: "object", properties: {} } }]
const READ = { name: "read", args: { path: "/a b", deep: { list: [1, null, "ü"] } } }
const TEXT = "Grüße 你好 👩‍🚀 done"

interface Room {
  wire: WireName
  fake: FakeModel
  provider: Provider
  open(more: Partial<ProviderSettings>): Provider
}

/** One test for each wire. */
function each(
  name: string,
  body: (room: Room, t: TestContext) => Promise<void>,
  wires: readonly WireName[] = WIRES,
): void {
  for (const wire of wires)
    test(`${wire}: ${name}`, { timeout: 20_000 }, async (t) => {
      const fake = await startFakeModel()
      t.after(() => fake.close())
      const open = (more: Partial<ProviderSettings>) => openProvider(settingsFor(wire, fake.url, more))
      await body({ wire, fake, open, provider: open({}) }, t)
    })
}

const fails = (fail: NonNullable<FakeReply["fail"]>, more: Partial<FakeReply> = {}): FakeReply => ({
  text: TEXT,
  ...more,
  fail,
})
const status = (code: number, more: object = {}) => fails({ type: "status", status: code, ...more })
const never = new AbortController().signal

each("an answer is thinking, text and calls, with its tokens", async ({ fake, provider, wire }) => {
  fake.script({
    thinking: "Let me see.",
    text: TEXT,
    calls: [READ, { name: "ls", args: {} }],
    usage: { input: 100, output: 20, cached: 40, reasoning: 5 },
  })
  const heard = await hear(provider, { tools: TOOLS })
  const done = doneOf(heard)
  assert.equal(done.stop, "tool_calls")
  assert.equal(heard.text, TEXT)
  assert.equal(heard.thinking, "Let me see.")
  assert.equal(textOf(done.content), TEXT)
  const calls = callsOf(done.content)
  assert.deepEqual(
    calls.map(({ name, args }) => ({ name, args })),
    [READ, { name: "ls", args: {} }],
  )
  assert.equal(new Set(calls.map((call) => call.callId)).size, 2)
  const started = heard.events.filter((event) => event.type === "tool.started")
  assert.deepEqual(
    started.map((event) => event.callId),
    calls.map((call) => call.callId),
  )
  assert.equal(done.usage.inputTokens, 100)
  assert.equal(done.usage.outputTokens, 20)
  assert.equal(done.usage.cacheReadTokens, 40)
  if (wire !== "anthropic") assert.equal(done.usage.reasoningTokens, 5)
  assert.equal(done.usage.estimated, undefined)
})

each("text alone ends in stop; an answer without anything is an answer", async ({ fake, provider }) => {
  fake.script({ text: "Hi" }, {})
  assert.deepEqual(doneOf(await hear(provider)).content, [{ type: "text", text: "Hi" }])
  const empty = doneOf(await hear(provider))
  assert.equal(empty.stop, "stop")
  assert.deepEqual(empty.content, [])
})

each("tokens that are not reported are estimated, and marked so", async ({ fake, provider }) => {
  fake.script({ text: "abcdefgh", usage: null })
  const { usage } = doneOf(await hear(provider))
  assert.equal(usage.estimated, true)
  assert.equal(usage.outputTokens, 2)
})

each("an answer that comes byte by byte is the same answer", async ({ fake, provider }) => {
  const reply: FakeReply = { thinking: "想", text: TEXT, calls: [READ] }
  fake.script({ ...reply, bytewise: true }, reply)
  const slow = await hear(provider, { tools: TOOLS })
  const fast = await hear(provider, { tools: TOOLS })
  const bare = (parts: Part[]) => parts.map((part) => (part.type === "tool.call" ? { ...part, callId: "" } : part))
  assert.equal(slow.text, TEXT)
  assert.deepEqual(bare(doneOf(slow).content), bare(doneOf(fast).content))
})

each("a cut-off answer keeps its text and hands on no call", async ({ fake, provider }) => {
  fake.script({ text: TEXT, calls: [{ name: "read", args: { path: "/srv/da" } }], finish: "length" })
  const done = doneOf(await hear(provider, { tools: TOOLS }))
  assert.equal(done.stop, "length")
  assert.equal(textOf(done.content), TEXT)
  assert.deepEqual(callsOf(done.content), [])
})

each("arguments that are not one JSON object are kept as text, never repaired", async ({ fake, provider, wire }) => {
  for (const raw of ['{"a": 1, "path":"/srv/da', "[1]", '{"a":1} {"b":2}']) {
    fake.script({ calls: [{ name: "read", args: raw }] })
    const heard = await hear(provider, { tools: TOOLS })
    if (wire === "gemini") {
      // Its service parses the arguments itself, and says that it could not.
      assert.equal(failureIn(heard).kind, "server")
      continue
    }
    const [call] = callsOf(doneOf(heard).content)
    assert.equal(call?.args, undefined)
    assert.equal(call?.raw, raw)
  }
})

const STATUSES: [FakeReply, FailureKind][] = [
  [status(400), "invalid_request"],
  [status(400, { body: '{"error":{"message":"prompt is too long: 300000 tokens"}}' }), "context_length"],
  [status(401), "auth"],
  [status(402), "billing"],
  [status(403), "auth"],
  [status(404), "not_found"],
  [status(413), "context_length"],
  [status(429), "rate_limit"],
  [status(429, { body: '{"error":{"message":"You ran out.","code":"insufficient_quota"}}' }), "billing"],
  [status(500), "server"],
  [status(500, { body: "<!DOCTYPE html><html><body>Oops</body></html>" }), "server"],
  [status(503), "overloaded"],
  [status(529), "overloaded"],
  [status(302, { headers: { location: "http://127.0.0.1:9/" } }), "format"],
]

each("a status says what kind of failure it is", async ({ fake, provider }) => {
  for (const [reply, kind] of STATUSES) {
    fake.script(reply)
    const failure = failureIn(await hear(provider))
    const { status: code } = reply.fail as { status: number }
    assert.equal(failure.kind, kind, `status ${code}: ${failure.message}`)
    assert.equal(failure.status, code)
    assert.deepEqual(failure.received, [])
    assert.match(failure.message, new RegExp(`answered ${code}`))
    assert.doesNotMatch(failure.message, /<|Oops/)
  }
})

each("the wait that a service asks for is handed on", async ({ fake, provider }) => {
  const date = "Wed, 21 Oct 2026 07:28:00 GMT"
  const asked: [Record<string, string>, number | undefined][] = [
    [{ "retry-after": "2" }, 2000],
    [{ "retry-after-ms": "1500", "retry-after": "2" }, 1500],
    [{ date, "retry-after": "Wed, 21 Oct 2026 07:28:03 GMT" }, 3000],
    [{ date, "retry-after": "Wed, 21 Oct 2026 07:27:00 GMT" }, 0],
    [{ "retry-after": "999999" }, 3_600_000],
    [{ "retry-after": "soon" }, undefined],
    [{ "x-ratelimit-remaining-requests": "5", "x-ratelimit-reset-requests": "1s" }, undefined],
    [{ "x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "1m2.5s" }, 62_500],
  ]
  for (const [headers, retryAfterMs] of asked) {
    fake.script(status(429, { headers }))
    assert.equal(failureIn(await hear(provider)).retryAfterMs, retryAfterMs, JSON.stringify(headers))
  }
})

each(
  "the key is sent, and never comes back in a failure, even when the service repeats it",
  async ({ fake, provider }) => {
    fake.script(status(401, { body: `{"error":{"message":"Incorrect API key ${KEY} provided"}}` }))
    const failure = failureIn(await hear(provider))
    assert.ok(JSON.stringify(fake.requests[0]?.headers).includes(KEY))
    assert.doesNotMatch(fake.requests[0]?.path ?? "", /sk-/)
    assert.match(failure.message, /Incorrect API key \[key\]/)
    assert.doesNotMatch(JSON.stringify(failure), /sk-never/)
  },
)

each("redirects are not followed: the key stays here", async ({ fake, provider, wire }, t) => {
  const other = await startFakeModel()
  t.after(() => other.close())
  fake.script(status(307, { headers: { location: `${other.url}/v1/x` } }))
  const { message, kind } = failureIn(await hear(provider))
  assert.equal(kind, "format", wire)
  assert.match(message, /redirects are not followed/)
  assert.equal(other.connections(), 0)
})

each("what is not an event stream is a failure of form", async ({ fake, provider }) => {
  fake.script(fails({ type: "html" }), fails({ type: "content-type", value: "application/json" }))
  const html = failureIn(await hear(provider))
  assert.equal(html.kind, "format")
  assert.match(html.message, /text\/html instead of an event stream: .*Wi-Fi/)
  assert.equal(failureIn(await hear(provider)).kind, "format")
})

each("broken JSON ends the stream; what came before it is kept", async ({ fake, provider }) => {
  fake.script(fails({ type: "broken-json" }))
  const failure = failureIn(await hear(provider))
  assert.equal(failure.kind, "format")
  assert.equal(textOf(failure.received), [...TEXT].slice(0, 5).join(""))
})

each("a socket that is cut, or a stream without a finish reason, is truncated", async ({ fake, provider }) => {
  fake.script(fails({ type: "cut" }), fails({ type: "no-finish" }))
  for (const heard of [await hear(provider), await hear(provider)]) {
    const failure = failureIn(heard)
    assert.equal(failure.kind, "truncated")
    assert.equal(failure.retryable, true)
    assert.equal(textOf(failure.received), heard.text)
  }
})

each("a call that is cut off, whole or half, is never handed on", async ({ fake, provider }) => {
  for (const half of [true, false]) {
    fake.script(fails({ type: "cut", half }, { calls: [READ] }))
    const failure = failureIn(await hear(provider, { tools: TOOLS }))
    assert.equal(failure.kind, "truncated")
    assert.deepEqual(
      failure.received.filter((part) => part.type !== "text" && part.type !== "thinking"),
      [],
    )
  }
})

each("an error in the stream is a failure with the service's own words", async ({ fake, provider }) => {
  fake.script(fails({ type: "error-event", message: "Out of cards" }))
  const failure = failureIn(await hear(provider))
  assert.equal(failure.kind, "server")
  assert.match(failure.message, /Out of cards/)
  assert.equal(textOf(failure.received), TEXT)
})

each(
  "overload and rate limits in the stream are told apart",
  async ({ fake, provider }) => {
    fake.script(fails({ type: "error-event", message: "Overloaded", code: "overloaded_error" }))
    assert.equal(failureIn(await hear(provider)).kind, "overloaded")
    fake.script(fails({ type: "error-event", message: "Slow down", code: "rate_limit_error" }))
    assert.equal(failureIn(await hear(provider)).kind, "rate_limit")
  },
  ["openai-chat", "openai-responses", "anthropic"],
)

each("silence is bounded: before the head, within the stream, within the body of an error", async ({ fake, open }) => {
  const hasty = open({ connectTimeoutMs: 250, stallMs: 250 })
  fake.script(fails({ type: "stall", after: "nothing" }), fails({ type: "stall", after: "first" }))
  assert.equal(failureIn(await hear(hasty)).kind, "stalled")
  const failure = failureIn(await hear(hasty))
  assert.equal(failure.kind, "stalled")
  assert.notEqual(textOf(failure.received), "")
  await Promise.all(fake.requests.map((request) => request.closed))
  fake.script(status(500, { body: "{".repeat(100), hang: true }))
  assert.equal(failureIn(await hear(hasty)).kind, "server")
  await fake.requests[2]?.closed
})

each("a reader that takes its time is not the service's silence", async ({ fake, open }) => {
  const hasty = open({ stallMs: 20 })
  const gate = Promise.withResolvers<void>()
  fake.script({ text: TEXT, gate: gate.promise })
  let first = true
  let last = ""
  for await (const event of hasty.stream(requestOf(), never)) {
    last = event.type
    if (!first) continue
    first = false
    await new Promise((resolve) => setTimeout(resolve, 80))
    gate.resolve()
  }
  assert.equal(last, "done")
})

each("nothing there, a closed door, a name that does not exist: network", async ({ fake, provider, open, wire }) => {
  fake.script(fails({ type: "drop" }))
  assert.equal(failureIn(await hear(provider)).kind, "network")
  const gone = await startFakeModel()
  await gone.close()
  const nobody = failureIn(await hear(openProvider(settingsFor(wire, gone.url))))
  assert.equal(nobody.kind, "network")
  assert.match(nobody.message, /nothing listens at 127\.0\.0\.1:\d+/)
  assert.equal(failureIn(await hear(open({ baseUrl: "ftp://nowhere" }))).kind, "network")
  assert.equal(failureIn(await hear(open({ baseUrl: "nonsense" }))).kind, "network")
})

each("a key that cannot be read or sent is a failure, not an exception", async ({ open }) => {
  const unread = open({
    apiKey: () => {
      throw new PincerError("NOT_FOUND", "The key file is gone")
    },
  })
  const failure = failureIn(await hear(unread))
  assert.equal(failure.kind, "auth")
  assert.match(failure.message, /The key file is gone/)
  const broken = failureIn(await hear(open({ apiKey: () => "sk-\nnewline" })))
  assert.equal(broken.kind, "auth")
  assert.doesNotMatch(JSON.stringify(broken), /newline/)
})

each("an abort is an abort, and closes the line: before, while waiting, in the middle", async ({ fake, provider }) => {
  const early = AbortSignal.abort()
  assert.equal(failureIn(await hear(provider, {}, early)).kind, "aborted")
  assert.equal(fake.requests.length, 0)

  fake.script(() => {
    queueMicrotask(() => waiting.abort())
    return fails({ type: "stall", after: "nothing" })
  })
  const waiting = new AbortController()
  assert.equal(failureIn(await hear(provider, {}, waiting.signal)).kind, "aborted")
  await fake.requests[0]?.closed

  fake.script(fails({ type: "stall", after: "first" }))
  const middle = new AbortController()
  const kinds: string[] = []
  for await (const event of provider.stream(requestOf(), middle.signal)) {
    if (event.type === "text.delta") middle.abort()
    kinds.push(event.type === "failed" ? event.failure.kind : event.type)
    if (event.type === "failed") assert.notEqual(textOf(event.failure.received), "")
  }
  assert.deepEqual(kinds, ["text.delta", "aborted"])
  await fake.requests[1]?.closed
})

each("a reader that leaves closes the line", async ({ fake, provider }) => {
  fake.script(fails({ type: "stall", after: "first" }))
  for await (const event of provider.stream(requestOf(), never)) if (event.type === "text.delta") break
  await fake.requests[0]?.closed
})

each(
  "a complete answer does not wait for the connection to be closed",
  async ({ fake, open }) => {
    fake.script({ text: TEXT, fail: { type: "linger" } })
    const done = doneOf(await hear(open({ stallMs: 60_000 })))
    assert.equal(textOf(done.content), TEXT)
    await fake.requests[0]?.closed
  },
  ["openai-chat", "openai-responses", "anthropic"],
)

each(
  "connections are used again; one that died while it was kept is not held against the service",
  async ({ fake, provider }) => {
    for (let i = 0; i < 3; i++) {
      fake.script({ text: "Hi" })
      doneOf(await hear(provider))
      await new Promise((resolve) => setImmediate(resolve))
    }
    assert.equal(fake.connections(), 1)
    fake.script(fails({ type: "drop" }), { text: "Here" })
    assert.equal((await hear(provider)).text, "Here")
    assert.equal(fake.connections(), 2)
  },
)

each("models are listed; a refusal is thrown with its reason and without the key", async ({ fake, provider, wire }) => {
  const [model] = await provider.listModels(never)
  assert.equal(model?.id, "test-model")
  assert.equal(model?.provider, "fake")
  assert.ok(JSON.stringify(fake.lists[0]?.headers).includes(KEY), wire)
  const refusals: [FakeReply, string, RegExp][] = [
    [status(429, { headers: { "retry-after": "7" } }), "RATE_LIMITED", /429/],
    [status(401, { body: `{"error":{"message":"bad ${KEY}"}}` }), "UNAVAILABLE", /bad \[key\]/],
    [fails({ type: "html" }), "UNAVAILABLE", /did not answer with JSON/],
    [fails({ type: "drop" }), "UNAVAILABLE", /closed the connection/],
  ]
  for (const [reply, code, words] of refusals) {
    fake.listing(reply)
    await assert.rejects(provider.listModels(never), (error) => {
      assert.ok(error instanceof PincerError)
      assert.equal(error.code, code)
      assert.match(error.message, words)
      return true
    })
  }
  fake.listing(fails({ type: "stall", after: "nothing" }))
  await assert.rejects(provider.listModels(AbortSignal.timeout(20)), { code: "ABORTED" })
})

each("lists and embeddings have deadlines for head and body", async ({ fake, open }) => {
  const hasty = open({ connectTimeoutMs: 30 })
  fake.listing(fails({ type: "stall", after: "nothing" }))
  await assert.rejects(hasty.listModels(never), { code: "TIMEOUT" })
  fake.listing(fails({ type: "stall", after: "first" }))
  await assert.rejects(hasty.listModels(never), { code: "TIMEOUT" })
})
