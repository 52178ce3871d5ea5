import assert from "node:assert/strict"
import { mkdir, rm, symlink } from "node:fs/promises"
import { join } from "node:path"
import { test } from "node:test"
import { toolRoom } from "../../test/fakes/tool-room.ts"
import { PincerError } from "../base/errors.ts"
import { judgedPath, printed, resolvePath, shownPath } from "./paths.ts"

const refused =
  (text: RegExp, code = "INVALID_PARAMS") =>
  (error: unknown) => {
    assert.ok(error instanceof PincerError, String(error))
    assert.equal(error.code, code)
    assert.match(error.message, text)
    return true
  }

test("resolvePath() takes relative and absolute paths, also of what does not exist yet", async (t) => {
  const { cwd, outside } = await toolRoom(t)
  assert.equal(await resolvePath("a/b.txt", cwd), join(cwd, "a/b.txt"))
  assert.equal(await resolvePath(".", cwd), cwd)
  assert.equal(await resolvePath("", cwd), cwd)
  assert.equal(await resolvePath("a/../../outside/x", cwd), join(outside, "x"))
  assert.equal(await resolvePath("/", cwd), "/")
})

test("resolvePath() says where links really lead, dangling ones too", async (t) => {
  const { cwd, outside } = await toolRoom(t)
  await mkdir(join(outside, "deep/er"), { recursive: true })
  await symlink(join(outside, "deep/er"), join(cwd, "in"))
  await symlink(join(outside, "new.txt"), join(cwd, "dangling"))
  await symlink("../up.txt", join(outside, "deep/er/relative"))
  await symlink("dangling", join(cwd, "twice"))
  assert.equal(await resolvePath("in/file", cwd), join(outside, "deep/er/file"))
  assert.equal(await resolvePath("dangling", cwd), join(outside, "new.txt"))
  assert.equal(await resolvePath("twice", cwd), join(outside, "new.txt"))
  // The kernel reads ".." of a link from where the link really lies.
  assert.equal(await resolvePath("in/relative", cwd), join(outside, "deep/up.txt"))
})

test("resolvePath() refuses what could mean one thing and reach another", async (t) => {
  const { cwd } = await toolRoom(t)
  for (const path of ["a\0b", "/etc/passwd\0.txt"])
    await assert.rejects(resolvePath(path, cwd), refused(/NUL/), JSON.stringify(path))
  for (const path of ["file:///etc/passwd", "FILE:/etc/passwd", "file:x", "https://a.b/c", "data:text/plain,x"])
    await assert.rejects(resolvePath(path, cwd), refused(/is a URL/), path)
  for (const path of ["~", "~/.ssh/id_rsa", "~root/.ssh", "~root"])
    await assert.rejects(resolvePath(path, cwd), refused(/not expanded/), path)
  await symlink("loop", join(cwd, "loop"))
  await assert.rejects(resolvePath("loop", cwd), refused(/too many symbolic links/))
  await assert.rejects(resolvePath("x".repeat(5_000), cwd), refused(/name is too long/))
})

test("percent signs, dots and tildes that mean nothing stay what they are", async (t) => {
  const { cwd } = await toolRoom(t)
  for (const name of ["%2e%2e%2fetc", "..%2fx", "...", "~backup.txt", "a~", "C:x", "..;"])
    assert.equal(await resolvePath(name, cwd), join(cwd, name))
})

test("the inside of a process is not read as files, whatever way leads there", {
  skip: process.platform !== "linux",
}, async (t) => {
  const { cwd } = await toolRoom(t)
  await symlink("/proc/self", join(cwd, "me"))
  for (const path of ["/proc/self/environ", `/proc/${process.ppid}/environ`, "me/environ", "/proc/thread-self/mem"])
    await assert.rejects(resolvePath(path, cwd), refused(/inside a process/), path)
})

test("judgedPath() refuses a path that leads elsewhere than what was judged", async (t) => {
  const { cwd, outside, context, put } = await toolRoom(t)
  await put("real/file", "x")
  await symlink(join(cwd, "real"), join(cwd, "link"))
  const judged = { reads: [await resolvePath("link/file", cwd)], writes: [], hosts: [] }
  assert.equal(await judgedPath("link/file", { ...context, judged }, "reads"), join(cwd, "real/file"))
  await rm(join(cwd, "link"))
  await symlink(outside, join(cwd, "link"))
  await assert.rejects(judgedPath("link/file", { ...context, judged }, "reads"), refused(/leads elsewhere/, "CONFLICT"))
  await assert.rejects(
    judgedPath("real/file", { ...context, judged }, "writes"),
    refused(/leads elsewhere/, "CONFLICT"),
  )
})

test("shownPath() is relative inside the folder, absolute outside, and always one inert line", () => {
  assert.equal(shownPath("/work/a/b", "/work"), "a/b")
  assert.equal(shownPath("/work", "/work"), ".")
  assert.equal(shownPath("/workspace/a", "/work"), "/workspace/a")
  assert.equal(shownPath("/etc/x", "/"), "etc/x")
  assert.equal(printed("a\nb\u001b[31m\u202ec"), "a\\nb\\u001b[31m\\u202ec")
})
