import assert from "node:assert/strict"
import { chmod, readFile, stat } from "node:fs/promises"
import { test } from "node:test"
import { textIn, toolRoom } from "../../test/fakes/tool-room.ts"
import { edit, multiEdit } from "./edit.ts"

test("Edit replaces the one place and shows it", async (t) => {
  const { call, path, put } = await toolRoom(t)
  await put("a.ts", "const a = 1\nconst b = 2\n")
  await chmod(path("a.ts"), 0o600)
  const result = await call(edit, { path: "a.ts", oldText: "b = 2", newText: "b = '$&'" })
  assert.equal(textIn(result), "Edited a.ts\n@@ -1,3 +1,3 @@\n const a = 1\n-const b = 2\n+const b = '$&'\n ")
  assert.equal(await readFile(path("a.ts"), "utf8"), "const a = 1\nconst b = '$&'\n")
  assert.equal((await stat(path("a.ts"))).mode & 0o777, 0o600)
})

test("Edit wants exactly one match, and counts overlapping ones", async (t) => {
  const { call, path, put } = await toolRoom(t)
  await put("a", "x x x aaa")
  await assert.rejects(call(edit, { path: "a", oldText: "nope", newText: "" }), /"nope" does not occur in a/)
  await assert.rejects(call(edit, { path: "a", oldText: "x", newText: "y" }), /occurs 3 times in a: add surrounding/)
  await assert.rejects(call(edit, { path: "a", oldText: "aa", newText: "b" }), /occurs 2 times/)
  await assert.rejects(call(edit, { path: "a", oldText: "x", newText: "x" }), /are the same/)
  await assert.rejects(call(edit, { path: "gone", oldText: "x", newText: "y" }), /Cannot read gone: it does not exist/)
  assert.equal(await readFile(path("a"), "utf8"), "x x x aaa")
  await call(edit, { path: "a", oldText: "x", newText: "y", replaceAll: true })
  assert.equal(await readFile(path("a"), "utf8"), "y y y aaa")
})

test("Edit keeps the line ends of the file, and its byte order mark", async (t) => {
  const { call, path, put } = await toolRoom(t)
  await put("win", "\ufeffone\r\ntwo\r\nthree\r\n")
  await call(edit, { path: "win", oldText: "one\ntwo", newText: "1\n2\n2b" })
  await call(edit, { path: "win", oldText: "three", newText: "3\n4" })
  assert.equal(await readFile(path("win"), "utf8"), "\ufeff1\r\n2\r\n2b\r\n3\r\n4\r\n")
  await put("mixed", "a\r\nb\nc\n")
  await call(edit, { path: "mixed", oldText: "b\nc", newText: "B\nC" })
  assert.equal(await readFile(path("mixed"), "utf8"), "a\r\nB\nC\n")
})

test("MultiEdit applies in order, each to the result of the one before", async (t) => {
  const { call, path, put } = await toolRoom(t)
  await put("a", "one two")
  const edits = [
    { oldText: "one", newText: "two" },
    { oldText: "two", newText: "2", replaceAll: true },
  ]
  await call(multiEdit, { path: "a", edits })
  assert.equal(await readFile(path("a"), "utf8"), "2 2")
})

test("MultiEdit changes nothing when one edit does not fit, and names it", async (t) => {
  const { call, path, put } = await toolRoom(t)
  await put("a", "one two")
  const edits = [
    { oldText: "one", newText: "1" },
    { oldText: "three", newText: "3" },
  ]
  await assert.rejects(
    call(multiEdit, { path: "a", edits }),
    /Edit 2 of 2: "three" does not occur.*Nothing was changed/,
  )
  assert.equal(await readFile(path("a"), "utf8"), "one two")
})
