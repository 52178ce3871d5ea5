import assert from "node:assert/strict"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type TestContext, test } from "node:test"
import { systemClock } from "../base/clock.ts"
import { PincerError } from "../base/errors.ts"
import { silentLogger } from "../base/log.ts"
import type { Approval } from "../protocol/approval.ts"
import type { RecordedEvent } from "../protocol/event.ts"
import { NO_USAGE, textOf } from "../protocol/message.ts"
import { type Books, openStore } from "./open.ts"

function open(t: TestContext): Books {
  const dir = mkdtempSync(join(tmpdir(), "pincer-fork-"))
  const books = openStore({ path: join(dir, "pincer.db"), durability: "normal" }, systemClock, silentLogger)
  t.after(async () => {
    await books.close()
    rmSync(dir, { recursive: true, force: true })
  })
  return books
}

const FROM = "agent:main:from"
const TO = "agent:main:to"

const said = (id: string, turnId: string, text: string): RecordedEvent => ({
  type: "message.added",
  message: { id, role: "user", content: [{ type: "text", text }], at: 1, turnId },
})
const ended: RecordedEvent = {
  type: "turn.ended",
  outcome: { status: "completed", stop: "end_turn", text: "", usage: { ...NO_USAGE, inputTokens: 7, costUsd: 0.5 } },
}
const approval: Approval = {
  id: "ap",
  kind: "tool",
  sessionKey: FROM,
  agentId: "main",
  turnId: "t2",
  callId: "c",
  tool: "Bash",
  args: {},
  summary: "",
  reason: "",
  cwd: "/",
  createdAt: 1,
  expiresAt: 2,
  decision: null,
}

async function fill(books: Books, events: [turnId: string, event: RecordedEvent][]) {
  const entries = events.map(([turnId, event], i) => ({ turnId, at: 100 + i, event }))
  await books.transcript.restore(FROM, "main", entries, {
    cwd: "/work",
    model: "p/m",
    name: "Name",
    tags: ["x"],
    settings: { thinkingLevel: "high" },
  })
}

const all = (books: Books, key: string) => books.transcript.events(key, { afterSeq: 0, limit: 10_000 })

test("a fork holds the same conversation under ids of its own and goes on by itself", async (t) => {
  const books = open(t)
  await fill(books, [
    ["t1", { type: "turn.started", attempt: 1 }],
    ["t1", said("m1", "t1", "Hello marmalade")],
    ["t1", ended],
    ["t2", { type: "messages.dropped", messageIds: ["m1"] }],
    ["t2", said("m2", "t2", "Hello again")],
    ["t2", ended],
  ])
  await books.sessions.patch(FROM, { label: "unique" })
  const fork = await books.transcript.fork(FROM, TO, "main", { cwd: "/other" })
  assert.deepEqual(
    [fork.cwd, fork.model, fork.name, fork.tags, fork.settings, fork.label],
    ["/other", "p/m", "Name", ["x"], { thinkingLevel: "high" }, null],
  )
  assert.deepEqual([fork.lastSeq, fork.messageCount, fork.usage.inputTokens, fork.usage.costUsd], [6, 1, 14, 1])
  assert.equal(fork.title, "Hello marmalade")
  const [from, to] = [await all(books, FROM), await all(books, TO)]
  assert.deepEqual(
    to.map(({ at, event, seq }) => [at, event.type, seq]),
    from.map(({ at, event, seq }) => [at, event.type, seq]),
  )
  assert.ok(to.every(({ sessionId, sessionKey }) => sessionId === fork.id && sessionKey === TO))
  const turns = to.map(({ turnId }) => turnId)
  assert.ok(!turns.includes("t1") && !turns.includes("t2"))
  assert.equal(new Set(turns).size, 2)
  const [message] = await books.transcript.messages(TO)
  assert.equal(message?.turnId, turns[4])
  assert.equal(textOf(message!.content), "Hello again")
  const found = await books.sessions.list({ search: "again" })
  assert.deepEqual(found.sessions.map(({ key }) => key).sort(), [FROM, TO])
  await books.sessions.delete(FROM)
  assert.equal((await books.transcript.messages(TO)).length, 1)
})

test("a turn that runs is ended in the fork, with its calls and approvals, and goes on in the other", async (t) => {
  const books = open(t)
  await fill(books, [
    ["t2", { type: "turn.started", attempt: 1 }],
    ["t2", said("m", "t2", "Do it")],
    ["t2", { type: "tool.started", callId: "c", name: "Bash", args: {}, title: "x" }],
    ["t2", { type: "approval.requested", approval }],
  ])
  await books.transcript.fork(FROM, TO, "main")
  const events = await all(books, TO)
  assert.deepEqual(
    events.map(({ event }) => event.type),
    [
      "turn.started",
      "message.added",
      "tool.started",
      "approval.requested",
      "tool.ended",
      "approval.resolved",
      "turn.ended",
    ],
  )
  assert.equal(new Set(events.map(({ turnId }) => turnId)).size, 1)
  const asked = events[3]!.event
  const resolved = events[5]!.event
  assert.ok(asked.type === "approval.requested" && resolved.type === "approval.resolved")
  assert.notEqual(asked.approval.id, "ap")
  assert.deepEqual(
    [asked.approval.sessionKey, asked.approval.turnId, asked.approval.decision],
    [TO, events[3]!.turnId, null],
  )
  assert.deepEqual([resolved.approval.id, resolved.approval.decision], [asked.approval.id, "canceled"])
  assert.equal((await all(books, FROM)).length, 4)
})

test("a long log is forked whole; what is not there, and a key that is taken, are refused and change nothing", async (t) => {
  const books = open(t)
  await fill(
    books,
    Array.from({ length: 1_203 }, (_, i) => ["t", said(`m${i}`, "t", `line ${i}`)]),
  )
  const fork = await books.transcript.fork(FROM, TO, "main")
  assert.equal(fork.messageCount, 1_203)
  const code = (wanted: string) => (error: unknown) => error instanceof PincerError && error.code === wanted
  await assert.rejects(books.transcript.fork(FROM, TO, "main"), code("ALREADY_EXISTS"))
  await assert.rejects(books.transcript.fork(FROM, FROM, "main"), code("ALREADY_EXISTS"))
  await assert.rejects(books.transcript.fork("agent:main:no", "agent:main:new", "main"), code("NOT_FOUND"))
  assert.equal(await books.sessions.get("agent:main:new"), undefined)
  assert.equal((await books.sessions.get(TO))?.messageCount, 1_203)
})

test("sessions are listed by the folder that they work in", async (t) => {
  const books = open(t)
  await books.sessions.ensure("agent:main:a", "main", { cwd: "/one" })
  await books.sessions.ensure("agent:main:b", "main")
  await books.sessions.ensure("agent:other:c", "other")
  const keys = async (path: string, agentIds: string[]) =>
    (await books.sessions.list({ cwd: { path, agentIds } })).sessions.map(({ key }) => key).sort()
  assert.deepEqual(await keys("/one", []), ["agent:main:a"])
  assert.deepEqual(await keys("/home", ["main"]), ["agent:main:b"])
  assert.deepEqual(await keys("/one/", ["other"]), ["agent:other:c"])
})

test("a log that a reset put away is still read by its id", async (t) => {
  const books = open(t)
  await fill(books, [["t", said("m", "t", "old")]])
  const { id } = (await books.sessions.get(FROM))!
  await books.sessions.reset(FROM)
  assert.equal((await all(books, FROM)).length, 0)
  const old = await books.transcript.events(FROM, { afterSeq: 0, limit: 10, log: id })
  assert.deepEqual([old.length, old[0]?.sessionId], [1, id])
})
