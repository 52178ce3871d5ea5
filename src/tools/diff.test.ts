import assert from "node:assert/strict"
import { test } from "node:test"
import { diffOf } from "./diff.ts"

test("diffOf() shows the changed region with three lines around it", () => {
  const before = "1\n2\n3\n4\n5\n6\n7\n8\n9\n"
  const { text, added, removed } = diffOf(before, before.replace("5\n", "five\nand\n"))
  assert.equal(text, "@@ -2,7 +2,8 @@\n 2\n 3\n 4\n-5\n+five\n+and\n 6\n 7\n 8")
  assert.deepEqual([added, removed], [2, 1])
})

test("diffOf() of the same text is empty, of a first line too short for context exact", () => {
  assert.deepEqual(diffOf("a\n", "a\n"), { text: "", added: 0, removed: 0 })
  assert.equal(diffOf("a\nb", "x\nb").text, "@@ -1,2 +1,2 @@\n-a\n+x\n b")
})

test("diffOf() stays small for long lines and many", () => {
  const big = diffOf("", Array.from({ length: 5_000 }, () => "y".repeat(3_000)).join("\n"))
  assert.ok(big.text.length < 5_000)
  assert.match(big.text, /… \d+ more lines$/)
  assert.equal(big.added, 5_000)
})
