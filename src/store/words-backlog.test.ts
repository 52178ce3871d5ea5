// A database as it was before there was an index of words is opened, and what it holds is found again.
import assert from "node:assert/strict"
import { mkdtempSync, renameSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { type TestContext, test } from "node:test"
import { stillClock } from "../../test/fakes/still-clock.ts"
import { silentLogger } from "../base/log.ts"
import type { RecordedEvent } from "../protocol/event.ts"
import { migrate, migrations } from "./migrations/index.ts"
import { type Books, openStore } from "./open.ts"

function said(id: string, text: string): RecordedEvent {
  return { type: "message.added", message: { id, role: "user", content: [{ type: "text", text }], at: 1 } }
}

async function hold(books: Books, key: string, events: RecordedEvent[]): Promise<void> {
  const entries = events.map((event) => ({ turnId: "t", at: 1, event }))
  await books.transcript.restore(`agent:main:${key}`, "main", entries, {})
}

/** Puts what the database holds into one of the schema from before there was an index, as far as that has columns for it. */
function makeOld(path: string): void {
  const old = new DatabaseSync(`${path}.old`)
  migrate(old, { list: migrations.slice(0, 5) })
  old.exec(`PRAGMA foreign_keys=OFF; ATTACH '${path}' AS new`)
  const names = (sql: string) =>
    old
      .prepare(sql)
      .all()
      .map(({ name }) => String(name))
  for (const table of names("SELECT name FROM main.sqlite_schema WHERE type='table' AND name NOT LIKE 'sqlite_%'")) {
    const now = new Set(names(`SELECT name FROM pragma_table_info('${table}', 'new')`))
    const columns = names(`SELECT name FROM pragma_table_info('${table}', 'main')`).filter((name) => now.has(name))
    old.exec(`INSERT INTO main.${table} (${columns}) SELECT ${columns} FROM new.${table}`)
  }
  old.close()
  for (const end of ["", "-wal", "-shm"]) rmSync(`${path}${end}`, { force: true })
  renameSync(`${path}.old`, path)
}

async function oldDatabase(t: TestContext): Promise<() => Books> {
  const dir = mkdtempSync(join(tmpdir(), "pincer-backlog-"))
  t.after(() => rmSync(dir, { recursive: true, force: true }))
  const path = join(dir, "pincer.db")
  const open = () => openStore({ path, durability: "normal" }, stillClock(), silentLogger)
  const books = open()
  await hold(
    books,
    "a",
    Array.from({ length: 7 }, (_, n) => said(`a${n}`, n === 6 ? "the last walrus" : `words ${n}`)),
  )
  await hold(books, "b", [
    said("b0", "帮我分析项目结构"),
    said("b1", "a wrong turn"),
    { type: "messages.dropped", messageIds: ["b1"] },
  ])
  await books.close()
  makeOld(path)
  return open
}

async function found(books: Books, search: string): Promise<string[]> {
  return (await books.sessions.list({ search })).sessions.map((row) => row.key.split(":").at(-1) ?? "")
}

test("what was said before there was an index is found after the backlog is read, what was taken back is not", async (t) => {
  const books = (await oldDatabase(t))()
  t.after(() => books.close())
  assert.deepEqual(await found(books, "walrus"), [])
  let steps = 0
  while (await books.wordsBacklog.step(3)) steps += 1
  assert.equal(steps, 4, "seven messages of one session and one of the other, three at a time")
  assert.deepEqual(await found(books, "walrus"), ["a"])
  assert.deepEqual(await found(books, "分析"), ["b"])
  assert.deepEqual(await found(books, "wrong turn"), [])
})

test("it goes on after a restart where it stopped, with new messages and deletions in between", async (t) => {
  const open = await oldDatabase(t)
  const first = open()
  await first.wordsBacklog.step(3)
  await hold(first, "c", [said("c0", "a new walrus")])
  await first.sessions.delete("agent:main:b")
  await first.close()
  const second = open()
  t.after(() => second.close())
  assert.deepEqual(await found(second, "walrus"), ["c"])
  while (await second.wordsBacklog.step(3));
  assert.deepEqual((await found(second, "walrus")).sort(), ["a", "c"])
  assert.deepEqual(await found(second, "分析"), [])
  assert.equal(await second.wordsBacklog.step(3), false)
})
