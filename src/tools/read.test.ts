import assert from "node:assert/strict"
import { execFileSync } from "node:child_process"
import { mkdir, rm, symlink, truncate, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { test } from "node:test"
import { textIn, toolRoom } from "../../test/fakes/tool-room.ts"
import { PincerError } from "../base/errors.ts"
import { read } from "./read.ts"

const PNG = Buffer.from("89504e470d0a1a0a0000000d49484452", "hex")

test("Read numbers lines and says where the next page begins", async (t) => {
  const { call, put } = await toolRoom(t)
  await put("a.txt", Array.from({ length: 12 }, (_, i) => `line ${i + 1}`).join("\n"))
  assert.match(textIn(await call(read, { path: "a.txt" })), /^ {5}1\tline 1\n[\s\S]* {4}12\tline 12$/)
  const page = textIn(await call(read, { path: "a.txt", offset: 3, limit: 2 }))
  assert.equal(page, "     3\tline 3\n     4\tline 4\n[lines 3-4 of 12; next: offset 5]")
  assert.match(textIn(await call(read, { path: "a.txt", offset: 11, limit: 2 })), /\n\[lines 11-12 of 12\]$/)
  const beyond = await call(read, { path: "a.txt", offset: 13 })
  assert.equal(beyond.isError, true)
  assert.match(textIn(beyond), /has 12 lines: line 13 does not exist/)
})

test("Read keeps Chinese whole across chunks, drops a byte order mark and CR, and knows an empty file", async (t) => {
  const { call, put } = await toolRoom(t)
  await put("zh.txt", "好".repeat(200_000).replaceAll(/(.{1000})/g, "$1\n"))
  const text = textIn(
    await call(
      read,
      { path: "zh.txt" },
      { settings: { ...(await toolRoom(t)).context.settings, maxOutputChars: 300_000 } },
    ),
  )
  assert.doesNotMatch(text, /\ufffd/)
  assert.equal(text.match(/好/g)?.length, 200_000)
  await put("win.txt", "\ufeffa\r\nb\r\n")
  assert.equal(textIn(await call(read, { path: "win.txt" })), "     1\ta\n     2\tb")
  await put("empty", "")
  assert.match(textIn(await call(read, { path: "empty" })), /empty is empty/)
})

test("Read stays within its output and cuts long lines", async (t) => {
  const { call, put, context } = await toolRoom(t)
  await put("long", `${"x".repeat(50_000_000)}\nend\n`)
  const text = textIn(await call(read, { path: "long" }))
  assert.ok(text.length < 3_000)
  assert.match(text, /… \[line cut\]\n {5}2\tend$/)
  await put("many", "some text\n".repeat(100_000))
  const settings = { ...context.settings, maxOutputChars: 1_000 }
  const page = textIn(await call(read, { path: "many" }, { settings }))
  assert.ok(page.length < 1_100, `${page.length}`)
  const next = Number(/of 100000; next: offset (\d+)\]$/.exec(page)?.[1])
  assert.match(textIn(await call(read, { path: "many", offset: next }, { settings })), new RegExp(`^ +${next}\t`))
})

test("Read of a huge file stops counting lines after a while", async (t) => {
  const { call, put } = await toolRoom(t)
  const path = await put("huge.log", "line\n".repeat(3_000_000))
  await truncate(path, 300_000_000)
  assert.match(
    textIn(await call(read, { path: "huge.log", limit: 2 })),
    /\[lines 1-2 of more than \d+; next: offset 3\]/,
  )
})

test("Read shows images and names other binaries", async (t) => {
  const { call, put } = await toolRoom(t)
  await put("a.png", PNG)
  const image = await call(read, { path: "a.png" })
  assert.deepEqual(image.content[1], { type: "image", mimeType: "image/png", data: PNG.toString("base64") })
  await put("big.png", Buffer.concat([PNG, Buffer.alloc(4_000_000)]))
  assert.match(textIn(await call(read, { path: "big.png" })), /4000016 bytes, more than/)
  for (const [bytes, kind] of [
    [Buffer.from("%PDF-1.7 x"), "application/pdf"],
    [Buffer.from([0xff, 0xfe, 0x41, 0]), "text in UTF-16"],
    [Buffer.from([1, 2, 0, 3]), "application/octet-stream"],
  ] as const) {
    await put("thing.txt", bytes)
    assert.match(textIn(await call(read, { path: "thing.txt" })), new RegExp(`binary file \\(${kind}, \\d+ bytes\\)`))
  }
})

test("Read tells a notebook cell by cell", async (t) => {
  const { call, put } = await toolRoom(t)
  const cells = [
    { cell_type: "markdown", source: ["# 标题\n", "text"] },
    {
      cell_type: "code",
      source: "1+1",
      outputs: [
        { output_type: "execute_result", data: { "text/plain": ["2"], "image/png": "aGk=" } },
        { output_type: "error", ename: "ValueError", evalue: "no" },
      ],
    },
  ]
  await put("n.ipynb", JSON.stringify({ nbformat: 4, cells }))
  const text = textIn(await call(read, { path: "n.ipynb" })).replaceAll(/^ +\d+\t/gm, "")
  assert.equal(
    text,
    "--- cell 0 (markdown) ---\n# 标题\ntext\n--- cell 1 (code) ---\n1+1\n--- output ---\n2\n[image/png]\nValueError: no",
  )
})

test("Read refuses directories, missing files, pipes and devices, and never waits for them", async (t) => {
  const { call, cwd, path } = await toolRoom(t)
  await mkdir(path("dir"))
  execFileSync("mkfifo", [join(cwd, "pipe")])
  for (const [name, why] of [
    ["dir", /dir is a directory: use LS or Glob/],
    ["gone", /Cannot read gone: it does not exist/],
    ["pipe", /pipe is not a regular file/],
    ["/dev/zero", /not a regular file/],
  ] as const)
    await assert.rejects(call(read, { path: name }), (error) => error instanceof PincerError && why.test(error.message))
})

test("Read follows no link that was put in place after the path was judged", async (t) => {
  const { call, outside, path, put } = await toolRoom(t)
  await writeFile(join(outside, "secret"), "canary")
  const judged = { reads: [await put("file", "mine")], writes: [], hosts: [] }
  await rm(path("file"))
  await symlink(join(outside, "secret"), path("file"))
  await assert.rejects(call(read, { path: "file" }, { judged }), { code: "CONFLICT" })
})

test("Read stops when it is canceled", async (t) => {
  const { call, put } = await toolRoom(t)
  await put("a", "x")
  await assert.rejects(call(read, { path: "a" }, { signal: AbortSignal.abort() }), { name: "AbortError" })
})
