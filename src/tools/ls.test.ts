import assert from "node:assert/strict"
import { mkdir, rm, symlink, writeFile } from "node:fs/promises"
import { test } from "node:test"
import { textIn, toolRoom } from "../../test/fakes/tool-room.ts"
import { ls } from "./ls.ts"

test("LS lists directories first, then files with sizes; links and odd names as such", async (t) => {
  const { call, put, path } = await toolRoom(t)
  await put("b.txt", "12345")
  await put("a\u001b[31m\n.txt", "")
  await mkdir(path("zdir"))
  await symlink("/etc", path("link"))
  const text = textIn(await call(ls, {}))
  assert.equal(text, "zdir/\na\\u001b[31m\\n.txt (0 bytes)\nb.txt (5 bytes)\nlink (link)")
  assert.equal(textIn(await call(ls, { path: "zdir" })), "zdir is empty.")
})

test("LS pages", async (t) => {
  const { call, path } = await toolRoom(t)
  await Promise.all(Array.from({ length: 1_050 }, (_, i) => writeFile(path(`f${String(i).padStart(4, "0")}`), "")))
  assert.match(textIn(await call(ls, {})), /f0999 \(0 bytes\)\n\[results 1-1000 of 1050; next: offset 1000\]$/)
  assert.match(textIn(await call(ls, { offset: 1_000 })), /^f1000 .*\n[\s\S]*f1049 \(0 bytes\)$/)
})

test("LS says what is wrong, and lists nothing behind a link put there meanwhile", async (t) => {
  const { call, put, cwd, outside, path } = await toolRoom(t)
  await put("file", "")
  await assert.rejects(call(ls, { path: "gone" }), /Cannot list gone: it does not exist/)
  await assert.rejects(call(ls, { path: "file" }), /not a directory: use Read/)
  await mkdir(path("dir"))
  const judged = await ls.touch({ path: "dir" }, cwd)
  await rm(path("dir"), { recursive: true })
  await symlink(outside, path("dir"))
  await assert.rejects(call(ls, { path: "dir" }, { judged }), { code: "CONFLICT" })
})
