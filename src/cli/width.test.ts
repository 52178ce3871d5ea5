import assert from "node:assert/strict"
import { test } from "node:test"
import { inert, inertLine } from "./inert.ts"
import { fit, pad, widthOf } from "./width.ts"

test("widthOf() counts columns, not units", () => {
  for (const [text, width] of [
    ["", 0],
    ["abc", 3],
    ["中文", 4],
    ["한글", 4],
    ["e\u0301", 1],
    ["👩‍👩‍👧", 2],
    ["ｆｕｌｌ", 8],
    ["–…", 2],
  ] as const)
    assert.equal(widthOf(text), width, text)
})

test("fit() cuts between characters and says so; pad() fills up", () => {
  assert.equal(fit("中文字符", 5), "中文…")
  assert.equal(fit("中文字符", 8), "中文字符")
  assert.equal(pad("中", 4), "中  ")
})

test("inert() leaves nothing that a terminal obeys", () => {
  assert.equal(inert("a\x1b[31mb\r\nc\td\x9b"), "a␛[31mb\nc\td\\u009b")
  assert.equal(inert("rm \u202efdp.exe"), "rm \\u202efdp.exe")
  assert.equal(inertLine("a\nb\tc"), "a ⏎ b c")
})
