import assert from "node:assert/strict"
import { chmod, mkdir, readdir, readFile, rename, rm, stat, symlink, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { test } from "node:test"
import { toolRoom } from "../../test/fakes/tool-room.ts"
import { PincerError } from "../base/errors.ts"
import { openFile, readText, writeText } from "./files.ts"
import { hasHandlePaths, openFolder } from "./folder.ts"

const conflict = (error: unknown) => error instanceof PincerError && error.code === "CONFLICT"

test("writeText() makes folders, replaces whole, keeps the mode and leaves nothing beside", async (t) => {
  const { path, put, cwd } = await toolRoom(t)
  await writeText(path("a/b/c.txt"), "你好\n", "c")
  assert.equal(await readFile(path("a/b/c.txt"), "utf8"), "你好\n")
  await put("run.sh", "old")
  await chmod(path("run.sh"), 0o750)
  await writeText(path("run.sh"), "new", "run.sh")
  assert.equal((await stat(path("run.sh"))).mode & 0o7777, 0o750)
  assert.equal(await readFile(path("run.sh"), "utf8"), "new")
  assert.deepEqual((await readdir(cwd)).sort(), ["a", "run.sh"])
  assert.deepEqual(await readdir(path("a/b")), ["c.txt"])
})

test("writeText() refuses directories, devices and paths through files", async (t) => {
  const { path, put } = await toolRoom(t)
  await mkdir(path("dir"))
  await put("file", "x")
  await assert.rejects(writeText(path("dir"), "x", "dir"), /dir is a directory/)
  await assert.rejects(writeText("/dev/null", "x", "/dev/null"), /not a regular file/)
  await assert.rejects(
    writeText(path("file/x"), "x", "file/x"),
    /Cannot write file\/x: a part of the path is not a directory/,
  )
  assert.equal(await readFile(path("file"), "utf8"), "x")
})

test("writeText() follows neither a link at the file nor one in its folder", async (t) => {
  const { path, outside } = await toolRoom(t)
  await writeFile(join(outside, "victim"), "mine")
  await symlink(join(outside, "victim"), path("link"))
  await assert.rejects(writeText(path("link"), "evil", "link"), conflict)
  await symlink(outside, path("dir"))
  await assert.rejects(writeText(path("dir/victim"), "evil", "dir/victim"))
  await assert.rejects(writeText(path("dir/sub/new"), "evil", "dir/sub/new"))
  assert.deepEqual(await readdir(outside), ["victim"])
  assert.equal(await readFile(join(outside, "victim"), "utf8"), "mine")
})

test("a folder swapped for a link after it was opened leads nowhere", { skip: !hasHandlePaths }, async (t) => {
  const { path, outside } = await toolRoom(t)
  await mkdir(path("dir"))
  const folder = await openFolder(path("dir"), false)
  await rename(path("dir"), path("moved"))
  await symlink(outside, path("dir"))
  await writeFile(folder.at("x"), "1")
  await folder.close()
  assert.deepEqual(await readdir(outside), [])
  assert.deepEqual(await readdir(path("moved")), ["x"])
})

test("openFile() and openFolder() see that a folder on the way is a link by now", async (t) => {
  const { path, outside } = await toolRoom(t)
  await writeFile(join(outside, "secret"), "canary")
  await mkdir(join(outside, "sub"))
  await symlink(outside, path("dir"))
  await assert.rejects(openFile(path("dir/secret"), "dir/secret"), conflict)
  await assert.rejects(openFolder(path("dir/sub"), false), conflict)
})

test("writers that race with a swapping of links never write outside", { skip: !hasHandlePaths }, async (t) => {
  const { path, outside } = await toolRoom(t)
  let going = true
  const swapping = (async () => {
    while (going) {
      await mkdir(path("dir"), { recursive: true }).catch(() => undefined)
      // The writers put something in while it is emptied: it is only to be another folder now and then.
      await rm(path("dir"), { recursive: true, force: true }).catch(() => undefined)
      await symlink(outside, path("dir")).catch(() => undefined)
      await rm(path("dir"), { force: true, recursive: true }).catch(() => undefined)
    }
  })()
  for (let i = 0; i < 300; i++)
    await writeText(path(`dir/deep/${i}`), "x", "x").catch((error: unknown) => assert.ok(error instanceof PincerError))
  going = false
  await swapping
  assert.deepEqual(await readdir(outside), [])
})

test("readText() refuses what an edit would spoil", async (t) => {
  const { path, put } = await toolRoom(t)
  await put("binary", Buffer.from([65, 0, 66]))
  await put("latin", Buffer.from([0x63, 0x61, 0x66, 0xe9]))
  await put("big", Buffer.alloc(10_000_001, 65))
  await put("bom", "\ufeffa")
  await assert.rejects(readText(path("binary"), "binary"), /binary file/)
  await assert.rejects(readText(path("latin"), "latin"), /not UTF-8 text/)
  await assert.rejects(readText(path("big"), "big"), { code: "TOO_LARGE" })
  assert.equal(await readText(path("bom"), "bom"), "\ufeffa")
})
