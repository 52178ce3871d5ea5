import assert from "node:assert/strict"
import { mkdir, readFile, rm, symlink } from "node:fs/promises"
import { join } from "node:path"
import { test } from "node:test"
import { textIn, toolRoom } from "../../test/fakes/tool-room.ts"
import { write } from "./write.ts"

test("Write creates, replaces and tells what changed", async (t) => {
  const { call, path } = await toolRoom(t)
  const made = await call(write, { path: "src/a.txt", content: "one\ntwo\n" })
  assert.equal(textIn(made), "Created src/a.txt (2 lines)")
  assert.deepEqual(made.details, {
    path: path("src/a.txt"),
    created: true,
    lines: 2,
    diff: "@@ -1,1 +1,3 @@\n+one\n+two\n ",
    added: 2,
    removed: 0,
  })
  const again = await call(write, { path: "src/a.txt", content: "one\nthree\n" })
  assert.match(textIn(again), /^Replaced/)
  assert.equal(again.details?.["added"], 1)
  assert.equal(await readFile(path("src/a.txt"), "utf8"), "one\nthree\n")
})

test("Write through a link changes what the link means, and touch() says so", async (t) => {
  const { call, cwd, outside, path } = await toolRoom(t)
  await symlink(join(outside, "new.txt"), path("link"))
  const touch = await write.touch({ path: "link", content: "" }, cwd)
  assert.deepEqual(touch, { reads: [], writes: [join(outside, "new.txt")], hosts: [] })
  await call(write, { path: "link", content: "x" })
  assert.equal(await readFile(join(outside, "new.txt"), "utf8"), "x")
})

test("Write refuses when the path leads elsewhere than when it was judged", async (t) => {
  const { call, cwd, outside, path } = await toolRoom(t)
  await mkdir(path("dir"))
  const args = { path: "dir/a", content: "x" }
  const judged = await write.touch(args, cwd)
  await rm(path("dir"), { recursive: true })
  await symlink(outside, path("dir"))
  await assert.rejects(call(write, args, { judged }), { code: "CONFLICT" })
  await assert.rejects(readFile(join(outside, "a")))
})

test("Write replaces a binary file and does nothing once canceled", async (t) => {
  const { call, path, put } = await toolRoom(t)
  await put("bin", Buffer.from([0, 1, 2]))
  assert.equal((await call(write, { path: "bin", content: "text" })).details?.["diff"], undefined)
  await assert.rejects(call(write, { path: "no", content: "" }, { signal: AbortSignal.abort() }), {
    name: "AbortError",
  })
  await assert.rejects(readFile(path("no")))
})
