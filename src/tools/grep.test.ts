import assert from "node:assert/strict"
import { execFileSync } from "node:child_process"
import { symlink, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { test } from "node:test"
import { textIn, toolRoom } from "../../test/fakes/tool-room.ts"
import { hasHandlePaths } from "./folder.ts"
import { grep } from "./grep.ts"
import { matchLines } from "./match-lines.ts"

test("Grep gives path, line and text; Chinese and patterns of both dialects work", async (t) => {
  const { call, put } = await toolRoom(t)
  await put("a.ts", "const a = 1\n// TODO: 修复这个\n")
  await put("src/b.ts", "todo later\r\nfoo-bar\r\n")
  assert.equal(textIn(await call(grep, { pattern: "TODO" })), "a.ts:2:// TODO: 修复这个")
  assert.equal(textIn(await call(grep, { pattern: "修.这" })), "a.ts:2:// TODO: 修复这个")
  assert.equal(textIn(await call(grep, { pattern: "\\p{Script=Han}{4}" })), "a.ts:2:// TODO: 修复这个")
  for (const args of [{ pattern: "todo", ignoreCase: true }, { pattern: "(?i)todo" }])
    assert.equal(textIn(await call(grep, args)), "a.ts:2:// TODO: 修复这个\nsrc/b.ts:1:todo later")
  assert.equal(textIn(await call(grep, { pattern: "foo\\-bar$" })), "src/b.ts:2:foo-bar")
  assert.equal(textIn(await call(grep, { pattern: "nothing" })), "Nothing matches /nothing/")
})

test("Grep takes a file, a folder or a glob, and the modes files and count", async (t) => {
  const { call, put } = await toolRoom(t)
  await put("a.ts", "x\nx\n")
  await put("src/b.ts", "x\n")
  await put("src/c.md", "x\n")
  assert.equal(textIn(await call(grep, { pattern: "x", path: "src/b.ts" })), "src/b.ts:1:x")
  assert.equal(textIn(await call(grep, { pattern: "x", path: "src", mode: "files" })), "src/b.ts\nsrc/c.md")
  assert.equal(textIn(await call(grep, { pattern: "x", glob: "*.ts", mode: "count" })), "a.ts:2\nsrc/b.ts:1")
})

test("Grep shows lines around a match once", async (t) => {
  const { call, put } = await toolRoom(t)
  await put("a", "1\n2\nhit\n4\nhit\n6\n7\n")
  const text = textIn(await call(grep, { pattern: "hit", context: 1 }))
  assert.equal(text, "a-2-2\na:3:hit\na-4-4\na:5:hit\na-6-6")
})

test("Grep pages, and stays within its output", async (t) => {
  const { call, put, context } = await toolRoom(t)
  await put("a", "hit\n".repeat(500))
  const first = textIn(await call(grep, { pattern: "hit" }))
  assert.match(first, /a:200:hit\n\[results 1-200 of more than \d+; next: offset 200\]$/)
  assert.match(textIn(await call(grep, { pattern: "hit", offset: 400 })), /^a:401:hit\n[\s\S]*a:500:hit$/)
  await put("b", `${"x".repeat(100_000)}needle${"y".repeat(100_000)}\n`.repeat(20))
  const settings = { ...context.settings, maxOutputChars: 2_000 }
  const long = textIn(await call(grep, { pattern: "needle" }, { settings }))
  assert.ok(long.length <= 2_100)
  assert.match(long, /^b:1:…x+needley+…\n/)
})

test("Grep leaves out binaries, pipes and what links point to", async (t) => {
  const { call, put, cwd, outside, path } = await toolRoom(t)
  await put("bin", Buffer.from("hit\0"))
  await put("ok", "hit")
  execFileSync("mkfifo", [join(cwd, "pipe")])
  await writeFile(join(outside, "secret"), "hit")
  await symlink(join(outside, "secret"), path("link"))
  await symlink(outside, path("dir"))
  assert.equal(textIn(await call(grep, { pattern: "hit" })), "ok:1:hit")
  assert.match(textIn(await call(grep, { pattern: "hit", path: "pipe" })), /Nothing matches/)
})

test("files are searched where they were judged to be, not where a link leads by now", {
  skip: !hasHandlePaths,
}, async (t) => {
  const { cwd, outside, path } = await toolRoom(t)
  await writeFile(join(outside, "secret"), "hit")
  await symlink(outside, path("dir"))
  const task = { glob: undefined, pattern: "hit", flags: "", mode: "content", around: 0, limit: 10, top: cwd } as const
  assert.deepEqual(matchLines({ ...task, target: path("dir/secret"), isFolder: false }).lines, [])
  assert.throws(() => matchLines({ ...task, target: path("dir"), isFolder: true }), /cannot be read/)
  assert.deepEqual(matchLines({ ...task, target: join(outside, "secret"), isFolder: false }).lines, ["secret:1:hit"])
})

test("Grep refuses what is no pattern and what does not exist", async (t) => {
  const { call } = await toolRoom(t)
  assert.match(textIn(await call(grep, { pattern: "a(" })), /not a regular expression: .*group/i)
  assert.match(textIn(await call(grep, { pattern: "a", path: "gone" })), /Cannot search gone: it does not exist/)
})

test("a catastrophic pattern ends with its cancel while the gateway goes on", async (t) => {
  const { call, put } = await toolRoom(t)
  await put("a", `${"a".repeat(60)}!\n`)
  const controller = new AbortController()
  const searching = call(grep, { pattern: "^(a+)+$" }, { signal: controller.signal })
  await new Promise<void>((resolve) => setTimeout(resolve, 20))
  controller.abort()
  await assert.rejects(searching, { name: "AbortError" })
})
