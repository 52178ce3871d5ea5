import assert from "node:assert/strict"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type TestContext, test } from "node:test"
import { systemClock } from "../base/clock.ts"
import { uuid } from "../base/id.ts"
import { silentLogger } from "../base/log.ts"
import { openRedactor } from "../base/redact.ts"
import type { RecordedEvent } from "../protocol/event.ts"
import type { Message, Part } from "../protocol/message.ts"
import { type Books, openStore } from "./open.ts"

const SECRET = "correct-horse-battery-staple"

function open(t: TestContext): Books & { path: string } {
  const dir = mkdtempSync(join(tmpdir(), "pincer-words-"))
  t.after(() => rmSync(dir, { recursive: true, force: true }))
  const path = join(dir, "pincer.db")
  const redactor = openRedactor({ secrets: [SECRET] })
  const books = openStore({ path, durability: "normal" }, systemClock, silentLogger, redactor)
  t.after(() => books.close())
  return { ...books, path }
}

function said(text: string, role: "user" | "assistant" = "user", id = uuid()): RecordedEvent {
  return { type: "message.added", message: { id, role, content: [{ type: "text", text }], at: 1 } }
}

async function hold(books: Books, key: string, ...events: RecordedEvent[]): Promise<void> {
  const entries = events.map((event) => ({ turnId: "t", at: 1, event }))
  await books.transcript.restore(key, "main", entries, {})
}

async function found(books: Books, search: string): Promise<string[]> {
  const { sessions, total } = await books.sessions.list({ search })
  assert.equal(total, sessions.length)
  return sessions.map((row) => row.key.split(":").at(-1) ?? "").sort()
}

test("a session is found by any part of what was said in it, whoever said it, in any script and case", async (t) => {
  const books = open(t)
  await hold(books, "agent:main:a", said("title"), said("The Quick brown fox says “hi”", "assistant"))
  await hold(books, "agent:main:b", said("标题"), said("帮我分析项目结构", "assistant"))
  await hold(books, "agent:main:c", said("x"), said('SELECT "a" OR NEAR(b) * -c: d^2', "assistant"), said("ends in ab"))
  const cases: [string, string[]][] = [
    ["quick", ["a"]],
    ["uick BROWN", ["a"]],
    ["fox quick", ["a"]],
    ["fox 分析", []],
    ["分析", ["b"]],
    ["析", ["b"]],
    ["结构", ["b"]],
    ["构", ["b"]],
    ["分析项目", ["b"]],
    ["ab", ["c"]],
    ["NEAR(b)", ["c"]],
    ['"a"', ["c"]],
    ["-c:", ["c"]],
    ["*", ["c"]],
    ["hi”", ["a"]],
    ["nowhere", []],
    ["🦀", []],
  ]
  for (const [search, keys] of cases) assert.deepEqual([search, await found(books, search)], [search, keys])
})

test("what came with a message is found too: the text of resources, names of links and files, never their bytes or secrets", async (t) => {
  const books = open(t)
  const content: Part[] = [
    { type: "text", text: "look at" },
    { type: "resource", uri: "file:///w/%E6%8A%A5%E5%91%8A.md?v=1", text: `quarterly numbers ${SECRET}` },
    { type: "resource", uri: "file:///w/100%.bin", data: "Ynl0ZXNieXRlcw==" },
    { type: "link", uri: "https://elsewhere.example/x", name: "blueprint.pdf", title: "The harbour" },
    { type: "file", mimeType: "application/pdf", name: "invoice.pdf", data: "cGRmcGRmcGRm" },
    { type: "image", mimeType: "image/png", data: "aW1hZ2U=" },
  ]
  const message: Message = { id: uuid(), role: "user", content, at: 1 }
  await hold(books, "agent:main:a", { type: "message.added", message })
  for (const search of ["look at", "quarterly", "报告.md", "100%.bin", "blueprint", "harbour", "invoice"])
    assert.deepEqual([search, await found(books, search)], [search, ["a"]])
  for (const search of ["Ynl0", "cGRm", "aW1h", "elsewhere", "correct-horse"])
    assert.deepEqual([search, await found(books, search)], [search, []])
})

test("what was taken back, reset or deleted is not found any more, and leaves nothing in the index", async (t) => {
  const books = open(t)
  const id = uuid()
  await hold(books, "agent:main:a", said("t"), said("taken back", "assistant", id), said("staying", "assistant"), {
    type: "messages.dropped",
    messageIds: [id],
  } as RecordedEvent)
  assert.deepEqual(await found(books, "taken"), [])
  assert.deepEqual(await found(books, "staying"), ["a"])
  await books.sessions.reset("agent:main:a")
  assert.deepEqual(await found(books, "staying"), [])
  await hold(books, "agent:main:b", said("t"), said("soon gone", "assistant"))
  assert.deepEqual(await found(books, "soon gone"), ["b"])
  assert.equal(await books.sessions.delete("agent:main:b"), true)
  assert.deepEqual(await found(books, "soon gone"), [])
})

test("a secret cannot be found, nor what stands further back than is indexed", async (t) => {
  const books = open(t)
  const long = `${"lorem ipsum ".repeat(1000)} needle`
  await hold(
    books,
    "agent:main:a",
    said("t"),
    said(`the key is ${SECRET} indeed`, "assistant"),
    said(long, "assistant"),
  )
  assert.deepEqual(await found(books, "indeed"), ["a"])
  assert.deepEqual(await found(books, "horse-battery"), [])
  assert.deepEqual(await found(books, "needle"), [])
})
