import assert from "node:assert/strict"
import { readFile } from "node:fs/promises"
import { test } from "node:test"
import { toolRoom } from "../../test/fakes/tool-room.ts"
import { notebookEdit } from "./notebook.ts"

const notebook = (minor: number) => ({
  cells: [
    { cell_type: "markdown", id: "aa", metadata: { tags: ["x"] }, source: ["# Hi\n"], attachments: { a: {} } },
    {
      cell_type: "code",
      id: "bb",
      metadata: {},
      execution_count: 3,
      outputs: [{ output_type: "stream" }],
      source: "1",
    },
  ],
  metadata: { kernelspec: { name: "python3" } },
  nbformat: 4,
  nbformat_minor: minor,
})

async function room(t: Parameters<typeof toolRoom>[0], minor = 5) {
  const room = await toolRoom(t)
  await room.put("n.ipynb", `${JSON.stringify(notebook(minor), null, 1)}\n`)
  return {
    ...room,
    edit: (args: Record<string, unknown>) => room.call(notebookEdit, { path: "n.ipynb", ...args }),
    text: () => readFile(room.path("n.ipynb"), "utf8"),
  }
}

test("NotebookEdit replaces a cell, clears its outputs and leaves the rest byte for byte", async (t) => {
  const { edit, text } = await room(t)
  await edit({ cell: 1, source: "a = 1\nprint(a)" })
  const want = notebook(5)
  Object.assign(want.cells[1]!, { execution_count: null, outputs: [], source: ["a = 1\n", "print(a)"] })
  assert.deepEqual(JSON.parse(await text()), want)
  assert.match(await text(), /^\{\n "cells": \[\n[\s\S]*\n\}\n$/)
})

test("NotebookEdit inserts anywhere with what the format wants, and deletes", async (t) => {
  const { edit, text } = await room(t)
  await edit({ cell: 2, mode: "insert", source: "x\n" })
  await edit({ cell: 0, mode: "insert", cellType: "markdown", source: "" })
  const { cells } = JSON.parse(await text())
  assert.equal(cells.length, 4)
  assert.match(cells[0].id, /^[0-9a-f]{8}$/)
  assert.deepEqual({ ...cells[0], id: "" }, { cell_type: "markdown", id: "", metadata: {}, source: [] })
  assert.deepEqual(Object.keys(cells[3]).sort(), [
    "cell_type",
    "execution_count",
    "id",
    "metadata",
    "outputs",
    "source",
  ])
  await edit({ cell: 1, mode: "delete" })
  assert.equal(JSON.parse(await text()).cells[1].id, "bb")
})

test("NotebookEdit gives no ids to a notebook whose format has none", async (t) => {
  const { edit, text } = await room(t, 4)
  await edit({ cell: 0, mode: "insert", source: "x" })
  assert.equal("id" in JSON.parse(await text()).cells[0], false)
})

test("NotebookEdit changes a cell's type", async (t) => {
  const { edit, text } = await room(t)
  await edit({ cell: 1, cellType: "markdown", source: "text" })
  await edit({ cell: 0, cellType: "code", source: "code" })
  const { cells } = JSON.parse(await text())
  assert.deepEqual(Object.keys(cells[1]).sort(), ["cell_type", "id", "metadata", "source"])
  assert.deepEqual(Object.keys(cells[0]).sort(), [
    "cell_type",
    "execution_count",
    "id",
    "metadata",
    "outputs",
    "source",
  ])
})

test("NotebookEdit refuses cells that are not there, missing source and what is no notebook", async (t) => {
  const { edit, text, put, call } = await room(t)
  const before = await text()
  await assert.rejects(edit({ cell: 2, source: "x" }), /has 2 cells: cell 2 does not exist/)
  await assert.rejects(edit({ cell: 3, mode: "insert", source: "x" }), /cell 3 does not exist/)
  await assert.rejects(edit({ cell: 0 }), /replace needs source/)
  assert.equal(await text(), before)
  for (const content of ["{}", "not json", '{"nbformat":3,"worksheets":[]}', '{"nbformat":4,"cells":[1]}', "[]"]) {
    await put("bad.ipynb", content)
    await assert.rejects(call(notebookEdit, { path: "bad.ipynb", cell: 0, source: "" }), /not a notebook/, content)
  }
  await assert.rejects(call(notebookEdit, { path: "x.py", cell: 0, source: "" }), /must end in .ipynb/)
})
