import assert from "node:assert/strict"
import { mkdir, rm, symlink, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { test } from "node:test"
import { textIn, toolRoom } from "../../test/fakes/tool-room.ts"
import { glob } from "./glob.ts"
import { walkFiles } from "./walk.ts"

test("Glob finds by pattern, sorted, at any depth for a bare name", async (t) => {
  const { call, put } = await toolRoom(t)
  for (const name of ["b.ts", "a.ts", "src/c.ts", "src/deep/d.tsx", "说明/读我.md"]) await put(name, "")
  assert.equal(textIn(await call(glob, { pattern: "*.ts" })), "a.ts\nb.ts\nsrc/c.ts")
  assert.equal(textIn(await call(glob, { pattern: "src/**/*.{ts,tsx}" })), "src/c.ts\nsrc/deep/d.tsx")
  assert.equal(textIn(await call(glob, { pattern: "*.tsx", path: "src" })), "src/deep/d.tsx")
  assert.equal(textIn(await call(glob, { pattern: "读*" })), "说明/读我.md")
  assert.equal(textIn(await call(glob, { pattern: "*.py" })), "No file matches *.py")
})

test("Glob leaves out what .gitignore names, at every level and from above", async (t) => {
  const { call, put } = await toolRoom(t)
  for (const name of ["keep.log", "a.log", "src/a.log", "src/gen/x.ts", "src/y.ts", "node_modules/m/i.js", ".git/c"])
    await put(name, "")
  await put(".gitignore", "*.log\n!keep.log\n")
  await put("src/.gitignore", "gen/\n")
  assert.equal(textIn(await call(glob, { pattern: "**/*" })), "keep.log\nsrc/y.ts")
  assert.equal(textIn(await call(glob, { pattern: "*", path: "src" })), "src/y.ts")
  assert.equal(textIn(await call(glob, { pattern: "*", path: "src/gen" })), "src/gen/x.ts", "named, so meant")
  assert.equal(textIn(await call(glob, { pattern: "*.js", path: "node_modules" })), "node_modules/m/i.js")
})

test("Glob neither follows nor lists links, and refuses patterns that climb out", async (t) => {
  const { call, put, outside, path } = await toolRoom(t)
  await put("in.txt", "")
  await writeFile(join(outside, "out.txt"), "")
  await symlink(outside, path("link"))
  await symlink(join(outside, "out.txt"), path("file.txt"))
  assert.equal(textIn(await call(glob, { pattern: "**/*.txt" })), "in.txt")
  for (const pattern of ["../outside/*", "/etc/*", "a/../../x"])
    assert.match(textIn(await call(glob, { pattern })), /must lie below the folder/)
})

test("Glob pages", async (t) => {
  const { call, path } = await toolRoom(t)
  await Promise.all(Array.from({ length: 620 }, (_, i) => writeFile(path(`f${String(i).padStart(3, "0")}`), "")))
  const first = textIn(await call(glob, { pattern: "f*" }))
  assert.match(first, /\nf499\n\[results 1-500 of 620; next: offset 500\]$/)
  assert.match(textIn(await call(glob, { pattern: "f*", offset: 500 })), /^f500\n[\s\S]*\nf619$/)
  assert.match(textIn(await call(glob, { pattern: "f*", offset: 700 })), /only 620 results/)
})

test("Glob says why a folder cannot be walked, and shows odd names in one line", async (t) => {
  const { call, put } = await toolRoom(t)
  await put("file", "")
  await put("a\nb.txt", "")
  await assert.rejects(call(glob, { pattern: "*", path: "gone" }), /cannot be read: it does not exist/)
  await assert.rejects(call(glob, { pattern: "*", path: "file" }), /not a directory/)
  assert.equal(textIn(await call(glob, { pattern: "*.txt" })), "a\\nb.txt")
})

test("a hostile .gitignore or pattern cannot hold the gateway", async (t) => {
  const { call, put } = await toolRoom(t)
  await put(".gitignore", `${"*a".repeat(40)}b\n`)
  await put("a".repeat(200), "")
  const controller = new AbortController()
  const walking = call(glob, { pattern: `${"*a".repeat(40)}b` }, { signal: controller.signal })
  let ticks = 0
  await new Promise<void>((resolve) => {
    const timer = setInterval(() => {
      ticks += 1
      if (ticks === 10) {
        clearInterval(timer)
        resolve()
      }
    }, 5)
  })
  controller.abort()
  await assert.rejects(walking, { name: "AbortError" })
})

test("walkFiles() stays within its depth and out of the kernel's windows", async (t) => {
  const { cwd, path } = await toolRoom(t)
  const deep = path(Array.from({ length: 60 }, () => "d").join("/"))
  await mkdir(deep, { recursive: true })
  await writeFile(join(deep, "bottom"), "")
  assert.deepEqual(walkFiles(cwd, cwd), { files: [], cut: true })
  await rm(path("d"), { recursive: true })
  assert.deepEqual(walkFiles(cwd, cwd), { files: [], cut: false })
})
