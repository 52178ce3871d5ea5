import assert from "node:assert/strict"
import { mkdtempSync, realpathSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type TestContext, test } from "node:test"
import { say } from "../../../test/fakes/agent-room.ts"
import { type MethodRoom, openMethodRoom } from "../../../test/fakes/method-room.ts"
import { PincerError } from "../../base/errors.ts"
import { textOf } from "../../protocol/message.ts"
import { sanitized } from "./chat.ts"

async function open(t: TestContext, options: Partial<Parameters<typeof openMethodRoom>[0]> = {}): Promise<MethodRoom> {
  const opened = await openMethodRoom({
    script: (request) => say(`re: ${textOf(request.messages.at(-1)!.content)}`),
    ...options,
  })
  t.after(() => opened.close())
  return opened
}

const refusal = (code: string, text?: RegExp) => (error: unknown) => {
  assert.ok(error instanceof PincerError, String(error))
  assert.equal(error.code, code, error.message)
  if (text) assert.match(error.message, text)
  return true
}

interface Any {
  [key: string]: Any
}
const key = "agent:main:test"

test("chat.send answers at once, repeats say in_flight and then ok, and the turn runs once", async (t) => {
  const gate = Promise.withResolvers<void>()
  const { call, room, followed } = await open(t, { script: (_, signal) => say("Hello", signal, gate.promise) })
  const params = { sessionKey: key, message: "hi", idempotencyKey: "k1" }
  assert.deepEqual(await call("chat.send", params), { runId: "k1", status: "started" })
  assert.deepEqual(await call("chat.send", params), { runId: "k1", status: "in_flight" })
  gate.resolve()
  await room.lanes.wait("k1")
  assert.deepEqual(await call("chat.send", params), { runId: "k1", status: "ok" })
  assert.ok(followed.includes("k1"))
  const messages = await room.ports.books.transcript.messages(key)
  assert.equal(messages.filter((message) => message.role === "user").length, 1)
})

test("chat.send knows an idempotency key after a restart", async (t) => {
  const home = realpathSync(mkdtempSync(join(tmpdir(), "pincer-methods-")))
  t.after(() => rmSync(home, { recursive: true, force: true }))
  const params = { sessionKey: key, message: "hi", idempotencyKey: "again" }
  const first = await openMethodRoom({ home, script: () => say("once") })
  await first.call("chat.send", { ...params, wait: true })
  await first.close()
  const second = await open(t, { home, script: () => say("twice") })
  assert.deepEqual(await second.call("chat.send", params), { runId: "again", status: "ok" })
  const waited = (await second.call("chat.send", { ...params, wait: true })) as Any
  assert.equal(waited["text"], "once")
})

test("chat.send refuses a key that belongs to another session", async (t) => {
  const { call } = await open(t)
  await call("chat.send", { sessionKey: key, message: "a", idempotencyKey: "k" })
  await assert.rejects(
    call("chat.send", { sessionKey: "other", message: "b", idempotencyKey: "k" }),
    refusal("CONFLICT"),
  )
})

test("the simple dialect gets one response at the end, under its own names", async (t) => {
  const { py, room } = await open(t)
  const done = (await py("chat.send", { message: "hi", sessionId: "s1", temperature: 7, api_key: "sk-secret" })) as Any
  assert.equal(done["completed"], true)
  assert.equal(done["text"], "re: hi")
  assert.equal(done["sessionKey"], "agent:main:s1")
  const [turn] = await room.ports.books.turns.list({ limit: 1 })
  assert.equal(turn?.request.sampling, undefined, "a temperature beyond 2 is ignored")
  assert.doesNotMatch(JSON.stringify(turn), /sk-secret/)
})

test("the simple dialect takes snake_case and the main session by default", async (t) => {
  const { py, room } = await open(t)
  const done = (await py("chat.send", {
    message: "x",
    session_id: "default",
    system_prompt: "Be brief",
    temperature: 0.5,
  })) as Any
  assert.equal(done["sessionKey"], "agent:main:main")
  const [turn] = await room.ports.books.turns.list({ limit: 1 })
  assert.equal(turn?.request.systemPrompt, "Be brief")
  assert.deepEqual(turn?.request.sampling, { temperature: 0.5 })
})

test("chat.send refuses an empty, a blank, a non-text and an endless message", async (t) => {
  const { call, py } = await open(t)
  await assert.rejects(
    call("chat.send", { sessionKey: key }),
    refusal("INVALID_PARAMS", /message or attachment required/),
  )
  await assert.rejects(py("chat.send", { message: "  \n" }), refusal("INVALID_PARAMS"))
  await assert.rejects(py("chat.send", { message: 5 }), refusal("INVALID_PARAMS", /message/))
  await assert.rejects(py("chat.send", { message: "x".repeat(500_001) }), refusal("INVALID_PARAMS", /500000/))
})

test("chat.send refuses an unknown agent and an agent that contradicts the key before anything is stored", async (t) => {
  const { call, room } = await open(t)
  await assert.rejects(
    call("chat.send", { sessionKey: "agent:nobody:main", message: "x" }),
    refusal("NOT_FOUND", /nobody/),
  )
  await assert.rejects(
    call("chat.send", { sessionKey: key, agentId: "other", message: "x" }),
    refusal("INVALID_PARAMS", /does not match/),
  )
  assert.equal((await room.ports.books.turns.list({ limit: 1 })).length, 0)
})

test("a failed turn is INTERNAL_ERROR in the simple dialect and keeps its own word in details", async (t) => {
  const { py, call } = await open(t, {
    async *script() {
      yield {
        type: "failed",
        failure: { kind: "auth", message: "The key was refused", status: 401, retryable: false, received: [] },
      }
    },
  })
  await assert.rejects(
    py("chat.send", { message: "x", idempotencyKey: "f" }),
    refusal("INTERNAL_ERROR", /key was refused/),
  )
  const again = (await call("chat.send", { sessionKey: "main", message: "x", idempotencyKey: "f" })) as Any
  assert.equal(again["status"], "error")
})

test("an aborted turn answers completed:false, aborted:true", async (t) => {
  const gate = Promise.withResolvers<void>()
  const { py, call, room } = await open(t, { script: (_, signal) => say("Hello", signal, gate.promise) })
  const waiting = py("chat.send", { message: "x", sessionId: "s", idempotencyKey: "r" })
  await room.seen("text.delta", "r")
  assert.deepEqual(await call("chat.abort", { sessionKey: "s" }), { ok: true, aborted: true, runIds: ["r"] })
  const done = (await waiting) as Any
  assert.equal(done["completed"], false)
  assert.equal(done["aborted"], true)
})

test('"/stop" cancels what runs and lets what waits go on', async (t) => {
  const gate = Promise.withResolvers<void>()
  const { call, room } = await open(t, {
    script: (_, signal, n) => (n === 1 ? say("Hello", signal, gate.promise) : say("second")),
  })
  await call("chat.send", { sessionKey: key, message: "1", idempotencyKey: "a" })
  await call("chat.send", { sessionKey: key, message: "2", idempotencyKey: "b" })
  await room.seen("text.delta", "a")
  assert.deepEqual(await call("chat.send", { sessionKey: key, message: " /stop " }), {
    ok: true,
    aborted: true,
    runIds: ["a"],
  })
  assert.equal((await room.lanes.wait("b"))?.status, "completed")
})

test("abortPrevious ends the running turn before the new one runs", async (t) => {
  const gate = Promise.withResolvers<void>()
  const { py, room } = await open(t, {
    script: (_, signal, n) => (n === 1 ? say("Hello", signal, gate.promise) : say("second")),
  })
  const first = py("chat.send", { message: "1", sessionId: "s", idempotencyKey: "a" })
  await room.seen("text.delta", "a")
  const second = (await py("chat.send", { message: "2", sessionId: "s", abortPrevious: true })) as Any
  assert.equal(second["text"], "second")
  assert.equal(((await first) as Any)["aborted"], true)
})

test("chat.abort refuses a run of another session, and answers false when nothing runs", async (t) => {
  const { call } = await open(t)
  await call("chat.send", { sessionKey: key, message: "x", idempotencyKey: "k", wait: true })
  await assert.rejects(
    call("chat.abort", { sessionKey: "other", runId: "k" }),
    refusal("INVALID_PARAMS", /runId does not match sessionKey/),
  )
  assert.deepEqual(await call("chat.abort", { sessionKey: key, runId: "k" }), { ok: true, aborted: false, runIds: [] })
  assert.deepEqual(await call("chat.abort", { sessionKey: key }), { ok: true, aborted: false, runIds: [] })
  await assert.rejects(call("chat.abort", {}), refusal("INVALID_PARAMS", /sessionKey or sessionId is required/))
})

test("chat.history shows the newest messages, oldest first, and the answer being written", async (t) => {
  const gate = Promise.withResolvers<void>()
  const { call, py, room } = await open(t, {
    script: (_, signal, n) => (n === 2 ? say("Hello", signal, gate.promise) : say("One")),
  })
  await call("chat.send", { sessionKey: key, message: "1", wait: true })
  await call("chat.send", { sessionKey: key, message: "2", idempotencyKey: "live" })
  await room.seen("text.delta", "live")
  const all = (await call("chat.history", { sessionKey: key })) as Any
  assert.deepEqual(
    Object.values(all["messages"]!).map((m) => m["role"]),
    ["user", "assistant", "user"],
  )
  assert.deepEqual(Object.values(all["messages"]!)[0]?.["content"], [{ type: "text", text: "1" }])
  assert.equal(all["inFlightRun"]!["runId"], "live")
  assert.equal(all["inFlightRun"]!["text"], "Hel")
  const one = (await call("chat.history", { key, limit: 1 })) as Any
  assert.equal(Object.values(one["messages"]!).length, 1)
  assert.equal(one["hasMore"], true)
  const none = (await py("chat.history", { sessionId: "nothing-here" })) as Any
  assert.deepEqual(none["messages"], [])
  await assert.rejects(py("chat.history", {}), refusal("INVALID_PARAMS"))
  gate.resolve()
})

test("chat.resend asks the same again, chat.edit something else; the log keeps everything", async (t) => {
  const { py, room } = await open(t, {
    script: (request, _, n) => say(`${n}: ${textOf(request.messages.at(-1)!.content)}`),
  })
  const texts = async () => (await room.ports.books.transcript.messages("agent:main:s")).map((m) => textOf(m.content))
  await assert.rejects(py("chat.resend", { sessionId: "s" }), refusal("NOT_FOUND", /send one first/))
  await py("chat.send", { message: "a", sessionId: "s" })
  await py("chat.resend", { sessionId: "s" })
  assert.deepEqual(await texts(), ["a", "2: a"])
  await py("chat.edit", { sessionId: "s", message: "b" })
  assert.deepEqual(await texts(), ["b", "3: b"])
  await assert.rejects(py("chat.edit", { sessionId: "s" }), refusal("INVALID_PARAMS", /message/))
})

test("agent answers twice: accepted, then the result with payloads and usage; a repeat answers from the store", async (t) => {
  const { call, accepted } = await open(t)
  const params = { message: "hi", sessionKey: key, idempotencyKey: "ag", label: "Work" }
  const final = (await call("agent", params)) as Any
  assert.equal((accepted[0] as Any)["status"], "accepted")
  assert.equal((accepted[0] as Any)["runId"], "ag")
  assert.equal(final["status"], "ok")
  assert.deepEqual(final["result"]!["payloads"], [{ text: "re: hi", mediaUrl: null }])
  const again = (await call("agent", params)) as Any
  assert.deepEqual(again["result"], final["result"])
  assert.equal(accepted.length, 1)
  const only = (await call("agent", { ...params, idempotencyKey: "ag2", expectFinal: false })) as Any
  assert.equal(only["status"], "accepted")
  const waited = (await call("agent.wait", { runId: "ag2" })) as Any
  assert.equal(waited["status"], "ok")
  await assert.rejects(call("agent.wait", { runId: "never" }), refusal("NOT_FOUND", /never/))
})

test("agent.wait gives up after its time", async (t) => {
  const gate = Promise.withResolvers<void>()
  const { call, room } = await open(t, { script: (_, signal) => say("Hello", signal, gate.promise) })
  await call("chat.send", { sessionKey: key, message: "x", idempotencyKey: "slow" })
  await room.seen("text.delta", "slow")
  assert.equal(((await call("agent.wait", { runId: "slow", timeoutMs: 1 })) as Any)["status"], "timeout")
  gate.resolve()
})

test("sanitized() drops NUL; markup only goes where the simple dialect promises it", () => {
  assert.equal(sanitized(" a\0b ", false), "ab")
  assert.equal(sanitized("why <script>x</script>?", false), "why <script>x</script>?")
  assert.equal(sanitized("a <script type=x>alert(1)</SCRIPT > b <!-- c --> d", true), "a [script removed] b  d")
  assert.equal(sanitized("a <script>never closed", true), "a [script removed]")
})
