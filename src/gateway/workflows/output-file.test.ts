import assert from "node:assert/strict"
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { after, test } from "node:test"
import { PincerError } from "../../base/errors.ts"
import { Output, outputFolder, removeOutputs } from "./output-file.ts"

const root = mkdtempSync(join(tmpdir(), "pincer-outputs-"))
after(() => rmSync(root, { recursive: true, force: true }))

test("what fits stays in memory, also a character in two pieces", () => {
  const output = new Output(100, () => assert.fail("no file is needed"))
  const text = Buffer.from("蟹 runs")
  output.add(text.subarray(0, 1))
  output.add(text.subarray(1))
  assert.deepEqual(output.end(), { text: "蟹 runs" })
})

test("what does not fit lies whole in a file of the owner's, with its beginning as a preview", () => {
  const path = join(outputFolder(root, "../odd/run"), "a.out")
  assert.ok(path.startsWith(root))
  const output = new Output(10, () => path)
  for (let i = 0; i < 1_000; i++) output.add(Buffer.from("蟹蟹蟹蟹\n"))
  const { spilled, text } = output.end()
  assert.deepEqual(spilled, { file: path, bytes: 13_000 })
  assert.equal(readFileSync(path, "utf8"), "蟹蟹蟹蟹\n".repeat(1_000))
  assert.ok(text.length <= 2_000 && text.startsWith("蟹蟹蟹蟹\n") && !text.includes("\ufffd"))
  assert.equal(statSync(path).mode & 0o777, 0o600)
  removeOutputs(root, "../odd/run")
  assert.equal(existsSync(path), false)
})

test("an output without an end is refused", () => {
  const output = new Output(10, () => join(outputFolder(root, "r"), "b.out"), 100)
  output.add(Buffer.alloc(100))
  assert.throws(
    () => output.add(Buffer.alloc(1)),
    (error) => error instanceof PincerError && error.code === "TOO_LARGE",
  )
  output.end()
})
