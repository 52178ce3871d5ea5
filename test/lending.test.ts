// Lending and reading along with real clients: what a client lends is asked of that client only, in turns that it started itself; a session's
// events come whole and in order, whoever reads slowly; sessions fork, and everybody hears of it.

import assert from "node:assert/strict"
import { join } from "node:path"
import { type TestContext, test } from "node:test"
import { PincerError } from "../src/base/errors.ts"
import { connectGateway, type GatewayClient, newKey } from "../src/protocol/client.ts"
import type { RecordedEnvelope, TurnEnvelope } from "../src/protocol/event.ts"
import type { ToolContext } from "../src/tools/tool.ts"
import { startFakeModel } from "./fakes/model-service.ts"
import { fakeProgram } from "./fakes/stripped.ts"
import { CLI, clawConnect, openRaw } from "./frames.ts"
import { type House, NO_SANDBOX, startHouse } from "./house.ts"

async function open(t: TestContext) {
  const fake = await startFakeModel()
  const house = await startHouse({ fake: fake.url, config: NO_SANDBOX })
  t.after(async () => {
    await house.close()
    await fake.close()
  })
  return { fake, house }
}

async function enter(t: TestContext, house: House, scopes?: string[]): Promise<GatewayClient> {
  const client = await connectGateway({
    url: house.wsUrl,
    token: house.token,
    client: CLI,
    ...(scopes ? { scopes } : {}),
  })
  t.after(() => client.close())
  return client
}

interface Asked {
  id: string
  what: string
  sessionKey: string
  params: Record<string, unknown>
}

/** The next event of a name that fits. */
function next<T>(client: GatewayClient, name: string, fits: (payload: T) => boolean = () => true): Promise<T> {
  return new Promise((resolve) => {
    const stop = client.on(name, ({ payload }) => {
      if (!fits(payload as T)) return
      stop()
      resolve(payload as T)
    })
  })
}

const refusal = (text: RegExp) => (error: unknown) => {
  assert.ok(error instanceof PincerError, String(error))
  assert.match(`${error.code} ${error.message}`, text)
  return true
}

const KEY = "agent:main:lent"
const lending = (house: House, lender: string, more: Record<string, unknown> = {}) => ({
  lender,
  sessionKey: "lent",
  cwd: house.work,
  fs: { readText: true, writeText: true },
  terminal: true,
  questions: { form: true },
  ...more,
})

test("a client is asked for what it lends and answers; nobody else may use it or answer for it", async (t) => {
  const { house } = await open(t)
  const [mine, other] = [await enter(t, house), await enter(t, house)]
  const lender = crypto.randomUUID()
  assert.deepEqual(await mine.request("client.lend", lending(house, lender)), { lender, tools: [], problems: [] })
  const lent = await house.parts.lendings.lent({ lender, sessionKey: KEY, turnId: "t1" })
  const heardByOther: unknown[] = []
  other.on("client.asked", ({ payload }) => heardByOther.push(payload))
  const asked = next<Asked>(mine, "client.asked")
  const read = lent!.editor!.readText!(join(house.work, "a.ts"), new AbortController().signal)
  const { id, params, what } = await asked
  assert.deepEqual([what, params], ["readText", { path: join(house.work, "a.ts") }])
  await assert.rejects(other.request("client.answer", { id, result: { text: "lie" } }), refusal(/another connection/))
  await assert.rejects(mine.request("client.answer", { id: "x", result: {} }), refusal(/Nobody waits/))
  await mine.request("client.answer", { id, result: { text: "unsaved 你好" } })
  assert.equal(await read, "unsaved 你好")
  await assert.rejects(mine.request("client.answer", { id, result: { text: "late" } }), refusal(/Nobody waits/))
  assert.deepEqual(heardByOther, [])
  for (const [client, sessionKey] of [
    [other, "lent"],
    [mine, "elsewhere"],
  ] as const)
    await assert.rejects(
      client.request("chat.send", { sessionKey, message: "x", lender }),
      refusal(/lends nothing to .* call client\.lend/),
    )
  const turnId = newKey()
  await mine.request("chat.send", { sessionKey: "lent", message: "x", lender, idempotencyKey: turnId })
  const record = await house.parts.lanes.wait(turnId)
  assert.equal(record?.request.lender, lender)
  assert.deepEqual(await other.request("client.release", { lender }), { released: false })
  assert.deepEqual(await mine.request("client.release", { lender }), { released: true })
  assert.equal(await house.parts.lendings.lent({ lender, sessionKey: KEY }), undefined)
})

test("a connection that dies in the middle of an ask: writing fails, what waits is asked again when the client is back", async (t) => {
  const { house } = await open(t)
  const lender = crypto.randomUUID()
  const first = await openRaw(house.wsUrl)
  await first.ask("connect", clawConnect(4, house.token))
  assert.equal((await first.ask("client.lend", lending(house, lender))).ok, true)
  const { signal } = new AbortController()
  const lent = (await house.parts.lendings.lent({ lender, sessionKey: KEY }))!
  const write = lent.editor!.writeText!(join(house.work, "b"), "text", signal)
  const asking = lent.ask!({ type: "form", message: "Which?", schema: {} }, signal)
  const question = await first.until(({ event, payload }) => {
    return event === "client.asked" && String(payload?.["what"]) === "question"
  })
  first.socket.terminate()
  await assert.rejects(write, refusal(/UNAVAILABLE .*not connected/))
  const second = await enter(t, house)
  const again = next<Asked>(second, "client.asked")
  await second.request("client.lend", lending(house, lender))
  const { id } = await again
  assert.equal(id, String(question.payload?.["id"]))
  await second.request("client.answer", { id, result: { answer: { type: "accepted", content: { a: 1 } } } })
  assert.deepEqual(await asking, { type: "accepted", content: { a: 1 } })
})

test("who cannot be told anything lends nothing; a stdio server needs operator.admin; what is wrong with a server is told", async (t) => {
  const { house } = await open(t)
  const lender = crypto.randomUUID()
  for (const method of ["client.lend", "session.events"]) {
    const params = method === "client.lend" ? lending(house, lender) : { sessionKey: "lent" }
    const response = await fetch(`${house.url}/rpc`, {
      method: "POST",
      headers: { authorization: `Bearer ${house.token}`, "content-type": "application/json" },
      body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }),
    })
    const { error } = (await response.json()) as { error: { code: number; message: string } }
    assert.deepEqual([error.code, error.message.includes("needs a WebSocket")], [-32601, true])
  }
  const server = (manner: string) => ({
    type: "stdio",
    name: manner,
    command: process.execPath,
    args: [fakeProgram("mcp-server"), manner],
  })
  const writer = await enter(t, house, ["operator.write"])
  await assert.rejects(
    writer.request("client.lend", lending(house, lender, { mcpServers: [server("well")] })),
    refusal(/operator\.admin/),
  )
  const owner = await enter(t, house)
  const missing = { type: "stdio", name: "missing", command: "/nonexistent/server" }
  const lent = await owner.request<{ tools: string[]; problems: { server: string; message: string }[] }>(
    "client.lend",
    lending(house, lender, { mcpServers: [server("well"), missing] }),
  )
  assert.equal(lent.tools.length, 2)
  assert.ok(
    lent.tools.every((name) => /well/.test(name)),
    lent.tools.join(),
  )
  assert.deepEqual(
    lent.problems.map((one) => one.server),
    ["missing"],
  )
  const turn = await house.parts.lendings.lent({ lender, sessionKey: KEY })
  assert.deepEqual(turn?.tools.map(({ name }) => name).sort(), lent.tools.sort())
})

test("a lent server that redefines a tool is told of in the session, in the next turn of that client", async (t) => {
  const { house } = await open(t)
  const client = await enter(t, house)
  const lender = crypto.randomUUID()
  const args = [fakeProgram("mcp-server"), "changes"]
  const mcpServers = [{ type: "stdio", name: "changes", command: process.execPath, args }]
  await client.request("client.lend", lending(house, lender, { mcpServers }))
  const names = async () => (await house.parts.lendings.lent({ lender, sessionKey: KEY }))!.tools
  const before = await names()
  const context = {
    signal: new AbortController().signal,
    progress: () => undefined,
    settings: { maxOutputChars: 4_000 },
  }
  await before.find(({ name }) => name.endsWith(":turn"))!.run({ text: "" }, context as unknown as ToolContext)
  while ((await names()).length === before.length) await new Promise((resolve) => setImmediate(resolve))
  const say = (more: object) => client.request("chat.send", { sessionKey: "lent", message: "x", wait: true, ...more })
  for (const more of [{}, { lender }, { lender }]) await say(more)
  const log = await house.parts.store.transcript.events(KEY, { afterSeq: 0, limit: 10_000 })
  const told = log.flatMap(({ event }) =>
    event.type === "notice.posted" ? [`${event.level} ${event.code}: ${event.text}`] : [],
  )
  assert.equal(told.length, 1)
  assert.match(told[0]!, /^warning mcp-tools-changed: MCP server "changes" changed .*: echo\. /)
})

/** Checks that recorded events are there once and in order, and gives their numbers. */
function numbersOf(envelopes: readonly TurnEnvelope[], from = 0): number[] {
  const numbers = envelopes.flatMap(({ seq }) => seq ?? [])
  assert.deepEqual(
    numbers,
    numbers.map((_, i) => from + i + 1),
  )
  return numbers
}

test("session.events tells the log, then what happens, without a hole, while turns write it", async (t) => {
  const { house } = await open(t)
  const [reader, writer] = [await enter(t, house), await enter(t, house)]
  for (let i = 0; i < 5; i++) await writer.request("chat.send", { sessionKey: "e", message: `first ${i}`, wait: true })
  const heard: TurnEnvelope[] = []
  const last = newKey()
  const done = next<{ envelope: TurnEnvelope }>(reader, "session.event", ({ envelope }) => {
    heard.push(envelope)
    return envelope.turnId === last && envelope.event.type === "turn.ended"
  })
  const turns = [newKey(), newKey(), newKey(), last].map((idempotencyKey) =>
    writer.request("chat.send", { sessionKey: "e", message: "more", wait: true, idempotencyKey }),
  )
  const begun = await reader.request<{ sessionId: string; lastSeq: number }>("session.events", {
    sessionKey: "e",
    after: 0,
  })
  await Promise.all(turns)
  await done
  const log = await house.parts.store.transcript.events("agent:main:e", { afterSeq: 0, limit: 10_000 })
  const recorded = heard.filter((one): one is RecordedEnvelope => one.seq !== null)
  numbersOf(heard)
  assert.deepEqual(recorded, JSON.parse(JSON.stringify(log)), "what is told is what is recorded")
  assert.ok(heard.some(({ event }) => event.type === "text.delta"))
  assert.equal(begun.sessionId, log[0]?.sessionId)
  assert.deepEqual(await reader.request("session.events.stop", { sessionKey: "e" }), {
    sessionKey: "agent:main:e",
    stopped: true,
  })
  const before = heard.length
  await writer.request("chat.send", { sessionKey: "e", message: "unheard", wait: true })
  await reader.request("health")
  assert.equal(heard.length, before)
})

test("a reset is followed by the new log; from a number on, nothing older comes; JSON-RPC hears it as well", async (t) => {
  const { house } = await open(t)
  const client = await enter(t, house)
  const say = (message: string) => client.request("chat.send", { sessionKey: "r", message, wait: true })
  await say("one")
  const wire = await openRaw(`${house.wsUrl}/ws`, { headers: { authorization: `Bearer ${house.token}` } })
  t.after(() => wire.socket.terminate())
  wire.send({
    jsonrpc: "2.0",
    id: 1,
    method: "session.events",
    params: { session_key: "r", sessionKey: "r", after: 2 },
  })
  const envelopes = () =>
    (wire.frames as unknown as { method?: string; params: { envelope: TurnEnvelope } }[])
      .filter(({ method }) => method === "session.event")
      .map(({ params }) => params.envelope)
  const until = (log: string | undefined, type: string) =>
    wire.until(() => envelopes().some((one) => one.sessionId !== log && one.event.type === type))
  await until(undefined, "turn.ended")
  const old = envelopes()[0]!.sessionId
  numbersOf(envelopes(), 2)
  await client.request("sessions.reset", { key: "r" })
  await say("two")
  await until(old, "turn.ended")
  numbersOf(envelopes().filter(({ sessionId }) => sessionId !== old))
  const again = await client.request<{ lastSeq: number; sessionId: string }>("session.events", {
    sessionKey: "r",
    after: 3,
    afterSessionId: old,
  })
  assert.notEqual(again.sessionId, old)
  const [first] = await Promise.all([
    next<{ envelope: TurnEnvelope }>(client, "session.event", ({ envelope }) => envelope.seq !== null),
    client.request("session.events", { sessionKey: "r", after: 3, afterSessionId: old }),
  ])
  assert.equal(first.envelope.seq, 1)
})

test("a reader who stops reading is held up for, and then gets every recorded event", async (t) => {
  const { house } = await open(t)
  const writer = await enter(t, house)
  const wire = await openRaw(house.wsUrl)
  t.after(() => wire.socket.terminate())
  await wire.ask("connect", clawConnect(4, house.token, { caps: ["events:py"] }))
  await wire.ask("session.events", { sessionKey: "s", after: 0 })
  wire.socket.pause()
  // More than sockets and the gateway's own patience with one reader hold.
  const turns = 20
  const message = "many words ".repeat(45_000)
  for (let i = 0; i < turns; i++) await writer.request("chat.send", { sessionKey: "s", message, wait: true })
  wire.socket.resume()
  const envelopes = () =>
    wire.frames
      .filter(({ event }) => event === "session.event")
      .map(({ payload }) => (payload as unknown as { envelope: TurnEnvelope }).envelope)
  const ended = () => envelopes().filter(({ event }) => event.type === "turn.ended").length
  await wire.until(() => ended() === turns)
  const row = await house.parts.store.sessions.get("agent:main:s")
  assert.equal(numbersOf(envelopes()).length, row?.lastSeq)
})

test("what is said in parts reaches the turn and is shown again; what is not what it claims is refused", async (t) => {
  const { house } = await open(t)
  const client = await enter(t, house)
  const content = [
    { type: "text", text: "Look at " },
    { type: "link", uri: "file:///x/a.ts", name: "a.ts" },
    { type: "resource", uri: "file:///x/b.ts", text: "let b" },
    { type: "audio", mimeType: "audio/wav", data: "UklGRg==" },
  ]
  await client.request("chat.send", { sessionKey: "p", content, wait: true })
  const { messages } = await client.request<{ messages: { content: unknown[] }[] }>("chat.history", { sessionKey: "p" })
  assert.deepEqual(messages[0]?.content, content)
  const shown = await client.request("sessions.preview", { keys: ["p"] })
  assert.match(JSON.stringify(shown), /Look at \[a\.ts\]\(file:.{0,3}\/\/x\/a\.ts\)\\n\[resource: file.*\[audio\]/)
  for (const format of ["json", "markdown"])
    assert.match(JSON.stringify(await client.request("session.export", { session: "p", format })), /\[audio\]/)
  for (const [bad, text] of [
    [{ content: [] }, /content/],
    [{ content: [{ type: "text", text: " " }] }, /holds no words/],
    [{ content, message: "and" }, /instead of message/],
    [{ content: [{ type: "tool.call", callId: "c", name: "Bash" }] }, /content\.0/],
    [{ content: [{ type: "text", text: "x", extra: 1 }] }, /content\.0/],
    [{ content: [{ type: "image", mimeType: "image/png", data: "aGFsbG8=" }] }, /content\.0 is not a PNG/],
    [{ content: [{ type: "audio", mimeType: "audio/wav", data: "not base64" }] }, /content\.0 is not valid base64/],
    [{ content: [{ type: "audio", mimeType: "text/plain", data: "aGFs" }] }, /no sound/],
    [{ content: [{ type: "resource", uri: "x" }] }, /text or data/],
    [{ content: [{ type: "file", mimeType: "a/b", name: "f", data: "A".repeat(6_666_672) }] }, /at most 5000000/],
  ] as const)
    await assert.rejects(client.request("chat.send", { sessionKey: "p", ...bad }), refusal(text))
})

test("a session is forked, listed by its folder, and others hear what changed", async (t) => {
  const { house } = await open(t)
  const [client, watcher] = [await enter(t, house), await enter(t, house, ["operator.read"])]
  await client.request("chat.send", { sessionKey: "f", message: "Hello", wait: true })
  const heard: { sessionKey: string; changed: string[]; deleted?: boolean }[] = []
  watcher.on("session.changed", ({ payload }) => heard.push(payload as (typeof heard)[number]))
  const change = (word: string) =>
    next<(typeof heard)[number]>(watcher, "session.changed", (one) => one.changed.includes(word))
  const made = change("created")
  const fork = await client.request<{ key: string }>("sessions.fork", {
    sessionKey: "f",
    newKey: "g",
    cwd: house.work,
  })
  assert.equal((await made).sessionKey, "agent:main:g")
  assert.equal(fork.key, "agent:main:g")
  await assert.rejects(client.request("sessions.fork", { sessionKey: "f", newKey: "g" }), refusal(/ALREADY_EXISTS/))
  await assert.rejects(client.request("sessions.fork", { sessionKey: "none" }), refusal(/NOT_FOUND/))
  await assert.rejects(
    client.request("sessions.fork", { sessionKey: "f", newKey: "agent:other:g" }),
    refusal(/another agent/),
  )
  const { sessions } = await client.request<{ sessions: { key: string; workDir: string }[] }>("sessions.list", {
    cwd: house.work,
  })
  assert.deepEqual(
    sessions.map(({ key, workDir }) => [key, workDir]),
    [["agent:main:g", house.work]],
  )
  const renamed = change("name")
  await client.request("sessions.patch", { key: "g", name: "A title", verboseLevel: "full" })
  assert.deepEqual(await renamed.then((one) => [one.sessionKey, one.changed, Reflect.get(one, "title")]), [
    "agent:main:g",
    ["name", "verboseLevel"],
    "A title",
  ])
  const used = change("usage")
  await client.request("chat.send", { sessionKey: "g", message: "On its own", wait: true })
  assert.equal((await used).sessionKey, "agent:main:g")
  const [one, two] = [
    await house.parts.store.sessions.get("agent:main:f"),
    await house.parts.store.sessions.get("agent:main:g"),
  ]
  assert.ok(two!.lastSeq > one!.lastSeq)
  const [reset, gone] = [change("reset"), change("deleted")]
  await client.request("sessions.reset", { key: "g" })
  await reset
  await client.request("sessions.delete", { key: "g" })
  assert.equal((await gone).deleted, true)
})
