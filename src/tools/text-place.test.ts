// Files in the editor that is lent to a turn: what is unsaved is what tools see, and nothing outside of its folders reaches it.
import assert from "node:assert/strict"
import { readFileSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { type TestContext, test } from "node:test"
import { textIn, toolRoom } from "../../test/fakes/tool-room.ts"
import { type ErrorCode, PincerError } from "../base/errors.ts"
import { edit, multiEdit } from "./edit.ts"
import type { Editor } from "./editor.ts"
import { notebookEdit } from "./notebook.ts"
import { read } from "./read.ts"
import type { Tool } from "./tool.ts"
import { write } from "./write.ts"

/** An editor with buffers; it knows nothing of the disk. */
async function editorRoom(t: TestContext, offer: { read?: boolean; write?: boolean } = {}) {
  const room = await toolRoom(t)
  const buffers = new Map<string, string>()
  const asked: [string, string][] = []
  const remarks: string[] = []
  let fails: ErrorCode | undefined
  const answer = (what: string, path: string) => {
    asked.push([what, path])
    if (fails) throw new PincerError(fails, "The client that lends it is not connected now")
  }
  const editor: Editor = {
    roots: [room.cwd],
    ...(offer.read === false
      ? {}
      : {
          async readText(path) {
            answer("read", path)
            const text = buffers.get(path)
            if (text === undefined) throw new PincerError("INTERNAL_ERROR", "no such buffer")
            return text
          },
        }),
    ...(offer.write === false
      ? {}
      : {
          async writeText(path, text) {
            answer("write", path)
            buffers.set(path, text)
          },
        }),
  }
  return {
    ...room,
    buffers,
    asked,
    remarks,
    fail: (code: ErrorCode | undefined) => {
      fails = code
    },
    run: <A>(tool: Tool<A>, args: Record<string, unknown>) =>
      room.call(tool, args, { editor, remark: (text) => void remarks.push(text) }),
  }
}

test("Read shows the unsaved text, page by page as it would the file", async (t) => {
  const { buffers, put, run } = await editorRoom(t)
  const path = await put("a.txt", "saved\n")
  buffers.set(path, "\ufeffone\ntwo\nthree\n")
  assert.equal(textIn(await run(read, { path: "a.txt" })), "     1\tone\n     2\ttwo\n     3\tthree")
  assert.match(
    textIn(await run(read, { path, offset: 2, limit: 1 })),
    /^ {5}2\ttwo\n\[lines 2-2 of 3; next: offset 3\]$/,
  )
})

test("Edit, MultiEdit and NotebookEdit change the unsaved text, and the disk stays as it was", async (t) => {
  const { buffers, put, run } = await editorRoom(t)
  const path = await put("a.txt", "saved\n")
  buffers.set(path, "red and green\n")
  const result = await run(edit, { path: "a.txt", oldText: "red", newText: "blue" })
  assert.equal(buffers.get(path), "blue and green\n")
  assert.deepEqual(result.view?.content, [
    { type: "diff", path, oldText: "red and green\n", newText: "blue and green\n" },
  ])
  await run(multiEdit, { path, edits: [{ oldText: "green", newText: "white" }] })
  assert.equal(buffers.get(path), "blue and white\n")
  assert.equal(readFileSync(path, "utf8"), "saved\n")
  const book = { nbformat: 4, nbformat_minor: 4, metadata: {}, cells: [] }
  const cell = { cell_type: "markdown", metadata: {}, source: ["old"] }
  const notes = await put("n.ipynb", JSON.stringify(book))
  buffers.set(notes, JSON.stringify({ ...book, cells: [cell] }))
  await run(notebookEdit, { path: notes, cell: 0, source: "new" })
  assert.match(buffers.get(notes)!, /new/)
  assert.equal(readFileSync(notes, "utf8"), JSON.stringify(book))
  assert.match(textIn(await run(read, { path: notes })), /new/)
})

test("text that only the disk has is not found in what is unsaved: the edit is refused and nothing is written", async (t) => {
  const { asked, buffers, put, run } = await editorRoom(t)
  const path = await put("a.txt", "saved\n")
  buffers.set(path, "unsaved\n")
  await assert.rejects(run(edit, { path, oldText: "saved\n\n", newText: "x" }), /does not occur/)
  assert.deepEqual(asked, [["read", path]])
})

test("Write replaces the text in the editor, and creates what is not there", async (t) => {
  const { buffers, put, run } = await editorRoom(t)
  const path = await put("a.txt", "saved\n")
  buffers.set(path, "unsaved\n")
  const replaced = await run(write, { path, content: "new\n" })
  assert.equal(buffers.get(path), "new\n")
  assert.equal(replaced.details?.["created"], false)
  assert.match(String(replaced.details?.["diff"]), /-unsaved/)
  const made = await run(write, { path: "sub/b.txt", content: "fresh\n" })
  assert.match(textIn(made), /^Created sub\/b.txt/)
  assert.ok([...buffers.values()].includes("fresh\n"))
})

test("a file that is only in the editor can be read; one that is nowhere is missing", async (t) => {
  const { buffers, path, run } = await editorRoom(t)
  buffers.set(path("new.txt"), "not saved yet\n")
  assert.match(textIn(await run(read, { path: "new.txt" })), /not saved yet/)
  await assert.rejects(run(read, { path: "none.txt" }), /Cannot read none.txt: it does not exist/)
})

test("nothing outside of its folders reaches the editor, and no link that leads there", async (t) => {
  const { asked, buffers, outside, path, run } = await editorRoom(t)
  const secret = join(outside, "s.txt")
  writeFileSync(secret, "outside\n")
  symlinkSync(secret, path("link.txt"))
  buffers.set(path("link.txt"), "inside\n")
  assert.match(textIn(await run(read, { path: secret })), /outside/)
  assert.match(textIn(await run(read, { path: "link.txt" })), /outside/)
  await run(edit, { path: "link.txt", oldText: "outside", newText: "changed" })
  assert.equal(readFileSync(secret, "utf8"), "changed\n")
  await run(write, { path: join(outside, "t.txt"), content: "t" })
  assert.deepEqual(asked, [])
})

test("a path that leads elsewhere than when it was judged reaches nobody", async (t) => {
  const { asked, context, outside, path } = await editorRoom(t)
  const secret = join(outside, "s.txt")
  writeFileSync(secret, "outside\n")
  const judged = await write.touch({ path: "a.txt", content: "" }, context.cwd)
  symlinkSync(secret, path("a.txt"))
  const editor: Editor = {
    roots: [outside, context.cwd],
    writeText: async (at) => void asked.push(["write", at]),
  }
  await assert.rejects(write.run({ path: "a.txt", content: "x" }, { ...context, judged, editor }), /leads elsewhere/)
  assert.deepEqual(asked, [])
})

test("images and other binary files are read from the disk", async (t) => {
  const { asked, put, run } = await editorRoom(t)
  const path = await put("x.bin", Buffer.from([1, 0, 2]))
  assert.match(textIn(await run(read, { path })), /binary file/)
  await assert.rejects(run(edit, { path, oldText: "a", newText: "b" }), /binary file/)
  assert.deepEqual(asked, [])
})

test("a buffer with binary in it, or too long, is not edited", async (t) => {
  const { asked, buffers, put, run } = await editorRoom(t)
  const path = await put("a.txt", "saved\n")
  buffers.set(path, "a\0b")
  await assert.rejects(run(edit, { path, oldText: "a", newText: "b" }), /binary file/)
  buffers.set(path, "ä".repeat(5_000_001))
  await assert.rejects(run(edit, { path, oldText: "a", newText: "b" }), /too long to edit/)
  assert.ok(asked.every(([what]) => what === "read"))
})

test("with the editor gone files are read from the disk and it is said so; writing fails, and the disk stays as it was", async (t) => {
  const { buffers, fail, put, remarks, run } = await editorRoom(t)
  const path = await put("a.txt", "saved\n")
  buffers.set(path, "unsaved\n")
  fail("UNAVAILABLE")
  assert.match(textIn(await run(read, { path })), /\tsaved/)
  assert.match(remarks.join(), /a.txt was read from the disk, without unsaved changes/)
  await assert.rejects(
    run(write, { path, content: "x" }),
    (error) =>
      error instanceof PincerError &&
      error.code === "UNAVAILABLE" &&
      /not written in the user's editor/.test(error.message),
  )
  await assert.rejects(run(edit, { path, oldText: "saved", newText: "x" }), /not written in the user's editor/)
  assert.equal(readFileSync(path, "utf8"), "saved\n")
})

test("what the editor refuses to show is not read from the disk behind its back", async (t) => {
  const { fail, put, run } = await editorRoom(t)
  const path = await put("a.txt", "saved\n")
  for (const code of ["PERMISSION_DENIED", "INTERNAL_ERROR"] as const) {
    fail(code)
    await assert.rejects(run(read, { path }), /not read in the user's editor/)
  }
})

test("an editor that lends only one of the two is used for that one", async (t) => {
  const reads = await editorRoom(t, { write: false })
  const path = await reads.put("a.txt", "saved\n")
  reads.buffers.set(path, "unsaved\n")
  await reads.run(edit, { path, oldText: "unsaved", newText: "written" })
  assert.equal(readFileSync(path, "utf8"), "written\n")
  const writes = await editorRoom(t, { read: false })
  const other = await writes.put("a.txt", "saved\n")
  await writes.run(edit, { path: other, oldText: "saved", newText: "changed" })
  assert.equal(writes.buffers.get(other), "changed\n")
})
