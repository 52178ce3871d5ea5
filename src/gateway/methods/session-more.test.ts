import assert from "node:assert/strict"
import { type TestContext, test } from "node:test"
import { say } from "../../../test/fakes/agent-room.ts"
import { type MethodRoom, openMethodRoom } from "../../../test/fakes/method-room.ts"
import { systemClock } from "../../base/clock.ts"
import { PincerError } from "../../base/errors.ts"
import { configSchema } from "../../config/schema.ts"
import { RateLimits } from "../access/rate-limits.ts"
import { dispatch, methodTable } from "../dispatch.ts"
import { methods } from "./index.ts"
import type { Caller } from "./method.ts"

async function open(t: TestContext, options: Partial<Parameters<typeof openMethodRoom>[0]> = {}): Promise<MethodRoom> {
  const opened = await openMethodRoom({ script: () => say("Hello there"), ...options })
  t.after(() => opened.close())
  return opened
}

const refusal = (code: string, text?: RegExp) => (error: unknown) => {
  assert.ok(error instanceof PincerError, String(error))
  assert.equal(error.code, code, error.message)
  if (text) assert.match(error.message, text)
  return true
}

/** A model that never comes to an end by itself. */
const endless = (_: unknown, signal: AbortSignal) => say("long", signal, new Promise<void>(() => undefined))

interface Any {
  [key: string]: Any
}

test("sessions.create makes a session with its settings and first words, and keeps one that is there", async (t) => {
  const { call, py, room } = await open(t)
  const made = (await call("sessions.create", {
    key: "trip",
    label: "Trip",
    thinkingLevel: "low",
    title: "Nach Bern",
    message: "Plan it",
    idempotencyKey: "first",
  })) as Any
  assert.equal(made["key"], "agent:main:trip")
  assert.equal(made["created"], true)
  assert.equal(made["runId"], "first")
  assert.equal(made["entry"]!["thinkingLevel"], "low")
  assert.equal(made["entry"]!["displayName"], "Trip")
  await room.lanes.wait("first")
  const again = (await call("sessions.create", { key: "trip" })) as Any
  assert.equal(again["created"], false)
  assert.equal(again["sessionId"], made["sessionId"])
  assert.equal(again["entry"]!["label"], "Trip")
  await assert.rejects(call("sessions.create", { key: "other", label: "Trip" }), refusal("ALREADY_EXISTS"))
  await assert.rejects(call("sessions.create", { agentId: "nobody" }), refusal("NOT_FOUND", /nobody/))
  await assert.rejects(call("sessions.create", { cwd: "relative" }), refusal("INVALID_PARAMS", /absolute/))
  const simple = (await py("sessions.create", { title: "Notes" })) as Any
  assert.equal(simple["title"], "Notes")
  const read = (await py("sessions.get", { sessionId: simple["id"] })) as Any
  assert.equal(read["id"], simple["id"])
})

test("sessions.create forks, and says when the first turn is refused though the session is made", async (t) => {
  const { call } = await open(t)
  await call("chat.send", { sessionKey: "source", message: "one", wait: true })
  const forked = (await call("sessions.create", { parentSessionKey: "source", fork: true })) as Any
  assert.equal(((await call("chat.history", { key: forked["key"] })) as Any)["totalMessages"], 2)
  await assert.rejects(call("sessions.create", { fork: true }), refusal("INVALID_PARAMS", /parentSessionKey/))
  await call("chat.send", { sessionKey: "x", message: "taken", idempotencyKey: "used", wait: true })
  const refused = (await call("sessions.create", { message: "again", idempotencyKey: "used" })) as Any
  assert.equal(refused["runStarted"], false)
  assert.equal(refused["runError"]!["code"], "CONFLICT")
  assert.ok(refused["sessionId"])
})

test("sessions.resolve knows every name, and says when one fits several or none", async (t) => {
  const { call } = await open(t)
  const { key, sessionId } = (await call("sessions.create", { key: "a", label: "First" })) as Any
  for (const named of [{ key: "a" }, { label: "First" }, { sessionId }, { shortId: String(sessionId).slice(0, 36) }])
    assert.equal(((await call("sessions.resolve", named)) as Any)["key"], key, JSON.stringify(named))
  await assert.rejects(call("sessions.resolve", { label: "Second" }), refusal("NOT_FOUND", /Second/))
  assert.deepEqual(await call("sessions.resolve", { key: "b", allowMissing: true }), { ok: false, candidates: [] })
  await call("sessions.create", { key: "b" })
  // Ids that were made within the same minute begin alike.
  const shortId = String(sessionId).slice(0, 4)
  await assert.rejects(call("sessions.resolve", { shortId }), refusal("INVALID_PARAMS", /Several/))
  const several = (await call("sessions.resolve", { shortId, allowMissing: true })) as Any
  assert.equal(Object.keys(several["candidates"]!).length, 2)
  await assert.rejects(call("sessions.resolve", {}), refusal("INVALID_PARAMS"))
})

test("sessions.describe gives the row of one, null for none; sessions.search the words around what was found", async (t) => {
  const { call } = await open(t)
  await call("chat.send", { sessionKey: "bern", message: "我们明天去伯尔尼, take the early train", wait: true })
  const described = (await call("sessions.describe", { key: "bern", includeLastMessage: true })) as Any
  assert.equal(described["session"]!["lastMessagePreview"], "Hello there")
  assert.deepEqual(await call("sessions.describe", { key: "never" }), {
    session: null,
    key: "agent:main:never",
    exists: false,
  })
  for (const query of ["伯尔尼", "train early"]) {
    const { results } = (await call("sessions.search", { query })) as { results: Any[] }
    assert.equal(results[0]?.["sessionKey"], "agent:main:bern", query)
    assert.match(String(results[0]?.["snippet"]), /early train/)
  }
  assert.equal(((await call("sessions.search", { query: "Zermatt" })) as Any)["count"], 0)
  assert.equal(((await call("sessions.search", { query: "train", sessionKeys: ["main"] })) as Any)["count"], 0)
  await assert.rejects(call("sessions.search", { query: " " }), refusal("INVALID_PARAMS"))
})

test("what runs is stopped by session or run; sessions.steer puts itself in its place", async (t) => {
  const { call, room } = await open(t, {
    script: endless,
  })
  await call("sessions.send", { key: "s", message: "long", idempotencyKey: "one" })
  await room.seen("turn.started", "one")
  await call("sessions.send", { key: "s", message: "next", idempotencyKey: "two" })
  const steered = (await call("sessions.steer", { key: "s", message: "instead", idempotencyKey: "three" })) as Any
  assert.equal(steered["status"], "started")
  assert.equal((await room.lanes.wait("one"))?.status, "canceled")
  assert.equal((await room.lanes.wait("two"))?.status, "canceled")
  await room.seen("turn.started", "three")
  const aborted = (await call("sessions.abort", { key: "s", clearQueued: true })) as Any
  assert.deepEqual([aborted["abortedRunId"], aborted["status"]], ["three", "aborted"])
  assert.equal(((await call("sessions.abort", { key: "s" })) as Any)["status"], "no-active-run")
})

test("chat.inject writes a note that history shows and later turns read; never into a turn that runs", async (t) => {
  const { call } = await open(t)
  const { messageId } = (await call("chat.inject", {
    sessionKey: "n",
    message: "The build is red",
    label: "CI",
  })) as Any
  const { message } = (await call("chat.message.get", { sessionKey: "n", messageId })) as Any
  assert.equal(message!["role"], "assistant")
  assert.match(JSON.stringify(message), /\[CI\]\\n\\nThe build is red/)
  assert.deepEqual(await call("chat.message.get", { sessionKey: "n", messageId: "x" }), {
    ok: false,
    unavailableReason: "not_found",
  })
  await call("chat.send", { sessionKey: "n", message: "why?", wait: true })
  assert.equal(((await call("chat.history", { sessionKey: "n" })) as Any)["totalMessages"], 3)
})

test("chat.inject waits for no turn: it is refused while one runs", async (t) => {
  const { call, room } = await open(t, {
    script: endless,
  })
  await call("chat.send", { sessionKey: "n", message: "long", idempotencyKey: "one" })
  await room.seen("turn.started", "one")
  await assert.rejects(call("chat.inject", { sessionKey: "n", message: "x" }), refusal("UNAVAILABLE", /runs/))
  await call("chat.abort", { sessionKey: "n" })
})

test("subscribers are told what becomes of sessions, with the row, in order, until they unsubscribe", async (t) => {
  const { parts, call } = await open(t)
  const told: { event: string; payload: Any }[] = []
  const gone = new AbortController()
  const caller: Caller = {
    connId: "c",
    dialect: "claw",
    protocol: 4,
    role: "operator",
    scopes: ["operator.admin"],
    caps: [],
    clientId: "test",
    signal: gone.signal,
    watched: new Map(),
  }
  const as = (name: string, params: Record<string, unknown> = {}) =>
    dispatch(methodTable(methods), name, params, {
      caller,
      parts,
      accept: () => undefined,
      follow: () => undefined,
      emit: (event, payload) => void told.push({ event, payload: JSON.parse(payload) as Any }),
    })
  assert.deepEqual(await as("sessions.subscribe"), { subscribed: true })
  await as("sessions.messages.subscribe", { key: "s" })
  await as("sessions.patch", { key: "s", label: "Mine" })
  await call("sessions.delete", { key: "s" })
  await call("sessions.describe", { key: "s" })
  await new Promise((resolve) => setImmediate(resolve))
  const changed = told.filter((one) => one.event === "sessions.changed").map(({ payload }) => payload)
  assert.deepEqual(
    changed.map((one) => one["reason"]),
    ["patch", "delete"],
  )
  assert.equal(changed[1]?.["session"], null)
  assert.equal(caller.watched?.size, 2)
  await as("sessions.unsubscribe")
  assert.equal(caller.watched?.size, 1)
  gone.abort()
  assert.equal(caller.watched?.size, 0, "what a connection listens to ends with it")
  const before = told.length
  await as("sessions.patch", { key: "s", label: null })
  await new Promise((resolve) => setImmediate(resolve))
  assert.equal(told.length, before)
})

test("what sessions.patch changes decides who may: names and levels need write, what a session may do needs admin", async (t) => {
  const { call } = await open(t)
  const writer = { scopes: ["operator.write"] }
  await call("sessions.patch", { key: "s", label: "L", thinkingLevel: "high" }, writer)
  for (const more of [
    { sendPolicy: "deny" },
    { cwd: "/tmp" },
    { permissions: { mode: "deny-all" } },
    { elevatedLevel: null },
  ])
    await assert.rejects(
      call("sessions.patch", { key: "s", ...more }, writer),
      refusal("PERMISSION_DENIED", /operator.admin/),
    )
})

test("sessions are not made without end, and far callers change the configuration a few times a minute only", async (t) => {
  const { gateway } = configSchema.parse({ gateway: { rateLimits: { sessionCreations: { max: 2 } } } })
  const limits = new RateLimits(() => gateway.rateLimits, systemClock)
  const { call } = await open(t, { parts: { limits } })
  for (let i = 0; i < 2; i++) await call("sessions.create", {})
  await assert.rejects(call("sessions.create", {}), refusal("RATE_LIMITED", /at most 2 in 10 seconds/))
  await assert.rejects(call("sessions.fork", { key: "main" }), refusal("RATE_LIMITED"))
  await call("sessions.create", {}, { clientId: "another" })
  const far = { address: "203.0.113.9" }
  for (let i = 0; i < 3; i++) await call("secrets.reload", {}, far)
  await assert.rejects(call("secrets.reload", {}, far), refusal("RATE_LIMITED"))
  await call("secrets.reload")
})
