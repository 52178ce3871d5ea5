import assert from "node:assert/strict"
import { mkdtempSync, rmSync, statSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { type TestContext, test } from "node:test"
import { systemClock } from "../base/clock.ts"
import { uuid } from "../base/id.ts"
import { silentLogger } from "../base/log.ts"
import type { RecordedEvent } from "../protocol/event.ts"
import { NO_USAGE } from "../protocol/message.ts"
import type { TurnOutcome, TurnRequest } from "../protocol/turn.ts"
import { Database } from "./database.ts"
import { migrate } from "./migrations/index.ts"
import { type Books, openStore } from "./open.ts"
import { FencedError } from "./turns.ts"

function temporary(t: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), "pincer-store-"))
  t.after(() => rmSync(dir, { recursive: true, force: true }))
  return join(dir, "pincer.db")
}

function open(t: TestContext, path = temporary(t)): Books {
  const books = openStore({ path, durability: "normal" }, systemClock, silentLogger)
  t.after(() => books.close())
  return books
}

function request(sessionKey = "agent:main:a", turnId = uuid()): TurnRequest {
  return { turnId, sessionKey, agentId: "main", input: [{ type: "text", text: "hi" }], origin: { door: "test" } }
}

const outcome: TurnOutcome = {
  status: "completed",
  stop: "end_turn",
  text: "ok",
  usage: NO_USAGE,
  provider: "p",
  model: "m",
}

function said(text: string): RecordedEvent {
  return { type: "message.added", message: { id: uuid(), role: "user", content: [{ type: "text", text }], at: 1 } }
}

test("what is written ahead counts for others at once, is in order with the rest, and leaves later writes synced", async (t) => {
  const path = temporary(t)
  const db = new Database({ path, durability: "full" })
  const other = new Database({ path, durability: "full" })
  await db.write(() => db.query("CREATE TABLE ahead (n INTEGER)", []))
  const mode = () => Number(db.query("PRAGMA synchronous", [])[0]!["synchronous"])
  const insert = db.statement("INSERT INTO ahead VALUES (?)")
  const add = (n: number) => {
    insert.run(n)
    return mode()
  }
  const during = await db.write(() => add(1), "ahead")
  assert.equal(during, 1, "committed without a sync")
  assert.deepEqual(
    other.query("SELECT n FROM ahead", []).map((row) => row["n"]),
    [1],
  )
  assert.equal(mode(), 2)
  await assert.rejects(db.write(() => assert.fail("no"), "ahead"))
  assert.equal(mode(), 2)
  const [one, two] = await Promise.all([db.write(() => add(2), "ahead"), db.write(() => add(3))])
  assert.deepEqual([one, two], [2, 2], "in company it is synced with the others")
  assert.deepEqual(
    other.query("SELECT n FROM ahead", []).map((row) => row["n"]),
    [1, 2, 3],
  )
  db.close()
  other.close()
})

test("database.write() commits what one tick asks for together, and only the guilty write of a group fails", async (t) => {
  const db = new Database({ path: temporary(t), durability: "full" })
  t.after(() => db.close())
  const insert = db.statement("INSERT INTO notes (session_key,name,value) VALUES (?,?,?)")
  const results = await Promise.allSettled([
    db.write(() => insert.run("s", "a", "1")),
    db.write(() => {
      insert.run("s", "b", "2")
      throw new RangeError("guilty")
    }),
    db.write(() => insert.run("s", "c", "3")),
  ])
  assert.deepEqual(
    results.map((one) => one.status),
    ["fulfilled", "rejected", "fulfilled"],
  )
  const names = db.query("SELECT name FROM notes ORDER BY name", []).map((row) => row["name"])
  assert.deepEqual(names, ["a", "c"], "the failed write left nothing")
})

test("openStore() keeps the file to its owner and refuses one that a newer Pincer wrote", (t) => {
  const path = temporary(t)
  open(t, path)
  assert.equal(statSync(path).mode & 0o777, 0o600)
  const newer = temporary(t)
  const db = new DatabaseSync(newer)
  db.exec("PRAGMA user_version=99")
  db.close()
  assert.throws(() => open(t, newer), { code: "UNAVAILABLE", message: /schema 99/ })
  assert.throws(() => open(t, "/proc/no/such/pincer.db"), {
    code: "UNAVAILABLE",
    message: /\/proc\/no\/such\/pincer\.db/,
  })
})

test("of two processes that open an old database at the same time one changes it, and the other finds it changed", (t) => {
  const folder = mkdtempSync(join(tmpdir(), "pincer-migrate-"))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const [one, other] = [1, 2].map(() => new DatabaseSync(join(folder, "p.db")))
  assert.ok(one && other)
  const list = ["CREATE TABLE a (x)", "CREATE TABLE b (x)"]
  migrate(one, { list: list.slice(0, 1) })
  // The other one is quicker, between the look at the schema and its change.
  const copy = () => {
    migrate(other, { list })
    return "copy"
  }
  migrate(one, { list, copy })
  assert.equal(one.prepare("PRAGMA user_version").get()?.["user_version"], 2)
  for (const db of [one, other]) db.close()
})

test("turns.accept() writes once per id, also after a reopen, and refuses the id for another session", async (t) => {
  const path = temporary(t)
  const first = open(t, path)
  const asked = request()
  assert.equal((await first.turns.accept(asked, {})).duplicate, false)
  await first.close()
  const books = open(t, path)
  assert.equal((await books.turns.accept(asked, {})).duplicate, true)
  await assert.rejects(books.turns.accept({ ...asked, sessionKey: "agent:main:b" }, {}), { code: "CONFLICT" })
  assert.deepEqual(
    (await books.turns.open()).map((turn) => turn.turnId),
    [asked.turnId],
  )
})

test("an older attempt cannot write, and a turn ends once", async (t) => {
  const books = open(t)
  const { record } = await books.turns.accept(request(), {})
  const old = await books.turns.begin(record, () => [])
  const current = await books.turns.begin(record, () => [])
  await assert.rejects(books.turns.append(old.fence, [said("late")]), FencedError)
  await assert.rejects(books.journal.settle(old.fence, "k", "once", 1, []), FencedError)
  await assert.rejects(books.turns.finish(old.fence, [], outcome), FencedError)
  await books.turns.finish(current.fence, [], outcome)
  await assert.rejects(books.turns.finish(current.fence, [], outcome), FencedError)
  const events = await books.transcript.events(record.sessionKey, { afterSeq: 0, limit: 100 })
  assert.equal(events.filter((one) => one.event.type === "turn.ended").length, 1)
})

test("journal: an intent without an outcome is found again, reads leave none, the end of the turn clears it", async (t) => {
  const books = open(t)
  const { record } = await books.turns.accept(request(), {})
  const { fence } = await books.turns.begin(record, () => [])
  await books.journal.intend(fence, "act", "once", [])
  await books.journal.intend(fence, "look", "read", [])
  await books.journal.settle(fence, "done", "once", { n: 1 }, [])
  assert.deepEqual(await books.journal.state(fence, "act"), { type: "intended", effect: "once" })
  assert.deepEqual(await books.journal.state(fence, "look"), { type: "new" })
  assert.deepEqual(await books.journal.state(fence, "done"), { type: "done", value: { n: 1 } })
  await books.turns.finish(fence, [], outcome)
  assert.deepEqual(await books.journal.state(fence, "act"), { type: "new" })
})

test("transcript: numbers run without holes, drops take messages back, a limit counts from the newest", async (t) => {
  const books = open(t)
  const { record } = await books.turns.accept(request(), {})
  const { fence } = await books.turns.begin(record, () => [said("one")])
  const [two] = await books.turns.append(fence, [said("two"), said("three")])
  assert.ok(two?.event.type === "message.added")
  await books.turns.append(fence, [{ type: "messages.dropped", messageIds: [two.event.message.id] }])
  const texts = (await books.transcript.messages(record.sessionKey)).map((m) => m.content[0])
  assert.deepEqual(texts, [
    { type: "text", text: "one" },
    { type: "text", text: "three" },
  ])
  assert.equal((await books.transcript.messages(record.sessionKey, { limit: 1 })).length, 1)
  const seqs = (await books.transcript.events(record.sessionKey, { afterSeq: 1, limit: 10 })).map((one) => one.seq)
  assert.deepEqual(seqs, [2, 3, 4])
  assert.equal((await books.sessions.get(record.sessionKey))?.messageCount, 2)
})

test("sessions: search finds Chinese and Latin, labels are unique, reset empties, delete leaves nothing", async (t) => {
  const books = open(t)
  for (const [key, text] of [
    ["agent:main:a", "整理我的发票"],
    ["agent:main:b", "Sort my Mail"],
  ] as const) {
    const { record } = await books.turns.accept(request(key), {})
    await books.turns.begin(record, () => [said(text)])
  }
  assert.deepEqual(
    (await books.sessions.list({ search: "发票" })).sessions.map((s) => s.key),
    ["agent:main:a"],
  )
  assert.deepEqual(
    (await books.sessions.list({ search: "mail" })).sessions.map((s) => s.key),
    ["agent:main:b"],
  )
  assert.equal((await books.sessions.list({ limit: 1 })).total, 2)
  await books.sessions.patch("agent:main:a", { label: "taxes" })
  await assert.rejects(books.sessions.patch("agent:main:b", { label: "taxes" }), { code: "ALREADY_EXISTS" })
  const before = await books.sessions.get("agent:main:a")
  const after = await books.sessions.reset("agent:main:a")
  assert.notEqual(after.id, before!.id)
  assert.deepEqual([after.label, after.lastSeq, after.messageCount], ["taxes", 0, 0])
  assert.deepEqual(await books.transcript.messages("agent:main:a"), [])
  assert.equal(await books.sessions.delete("agent:main:a"), true)
  assert.equal(await books.sessions.delete("agent:main:a"), false)
  await assert.rejects(books.sessions.reset("agent:main:a"), { code: "NOT_FOUND" })
})

test("drafts: what was gathered is on disk a moment later, in order, and goes with the turn", async (t) => {
  const books = open(t)
  const { record } = await books.turns.accept(request(), {})
  const { fence } = await books.turns.begin(record, () => [])
  books.drafts.add(fence, "m1", "thinking", "hm")
  books.drafts.add(fence, "m1", "text", "Hel")
  books.drafts.add(fence, "m1", "text", "lo")
  const deadline = Date.now() + 5_000
  while ((await books.drafts.of(record.turnId)).length === 0 && Date.now() < deadline) await systemClock.sleep(10)
  assert.deepEqual(await books.drafts.of(record.turnId), [{ messageId: "m1", text: "Hello", thinking: "hm" }])
  await books.turns.finish(fence, [], outcome)
  assert.deepEqual(await books.drafts.of(record.turnId), [])
})

test("sessions.prune() deletes old stateless sessions only, and none with a turn that has not ended", async (t) => {
  const books = open(t)
  for (const key of ["agent:main:openai:old", "agent:main:openai:busy", "agent:main:mine"]) {
    const { record } = await books.turns.accept(request(key), {})
    if (key.endsWith("busy")) continue
    const { fence } = await books.turns.begin(record, () => [])
    await books.turns.finish(fence, [], outcome)
  }
  assert.equal(await books.sessions.prune(["openai"], 0), 0, "nothing is that old")
  assert.equal(await books.sessions.prune(["openai"], Date.now() + 1000), 1)
  const left = (await books.sessions.list({})).sessions.map((session) => session.key).sort()
  assert.deepEqual(left, ["agent:main:mine", "agent:main:openai:busy"])
})

test('sessions.prune("all") keeps the main sessions and those with open work', async (t) => {
  const books = open(t)
  for (const key of [
    "agent:main:main",
    "agent:codex:main",
    "agent:main:old",
    "agent:main:main:deep",
    "agent:main:busy",
  ]) {
    const { record } = await books.turns.accept(request(key), {})
    if (key.endsWith("busy")) continue
    const { fence } = await books.turns.begin(record, () => [])
    await books.turns.finish(fence, [], outcome)
  }
  assert.equal(await books.sessions.prune("all", 0), 0)
  assert.equal(await books.sessions.prune("all", Date.now() + 1000), 2)
  const left = (await books.sessions.list({})).sessions.map((session) => session.key).sort()
  assert.deepEqual(left, ["agent:codex:main", "agent:main:busy", "agent:main:main"])
})
